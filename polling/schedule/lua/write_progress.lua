-- Write how far a walk has come, if the hash is still about that walk.
-- KEYS[1] progress: hash      ARGV epoch of the walk, field, value, ...
-- Returns 1 when it is, else 0.
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
return 1
