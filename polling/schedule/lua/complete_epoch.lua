-- Say that the walk of an epoch has planned all cards, unless a newer walk has begun.
-- KEYS[1] epoch (see claim)      ARGV "seeding:<n>", "<n>"
-- Returns 1 when it was so, else 0.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
