-- Mark the scan of an epoch as complete, unless a newer scan has begun.
-- KEYS[1] epoch (see claim)      ARGV "seeding:<n>", "<n>"
-- Returns 1 when this epoch is still the present one, else 0.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
