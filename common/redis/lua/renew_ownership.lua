-- Prolong an ownership, if it is still ours.
-- KEYS[1] owner: string      ARGV owner, seconds
-- Returns 1 when it was ours, else 0.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('EXPIRE', KEYS[1], ARGV[2])
