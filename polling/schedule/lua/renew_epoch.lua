-- Give a complete schedule a new epoch, if it still has the epoch that the caller knows.
-- KEYS[1] epoch  KEYS[2...] tokens: they start again at 0
-- ARGV    known epoch, new epoch
-- Returns 1 if the epoch was renewed, otherwise 0.
-- A new epoch that is not larger than the known one is refused, because tokens must always grow.
if redis.call('GET', KEYS[1]) ~= ARGV[1] or tonumber(ARGV[2]) <= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('DEL', unpack(KEYS, 2))
return 1
