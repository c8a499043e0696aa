-- Give a complete schedule a new epoch, if it still has the known one.
-- KEYS[1] epoch  KEYS[2...] counters of tokens, which begin again      ARGV known epoch, new epoch
-- Returns 1 when it had the known epoch, else 0.
-- A new number that is not larger is refused: tokens would run backwards.
if redis.call('GET', KEYS[1]) ~= ARGV[1] or tonumber(ARGV[2]) <= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('DEL', unpack(KEYS, 2))
return 1
