-- Mark the schedule as complete, unless another scan has begun or the schedule was dropped.
-- KEYS[1] epoch (see claim.lua)      ARGV "seeding:<n>", "<n>"
-- Returns 1 if the scan of this epoch was still the current one, otherwise 0.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
