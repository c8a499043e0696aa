-- Take cards out of the schedule until an operator releases them. The caller has already parked them
-- in PostgreSQL.
-- KEYS[1] queue  KEYS[2] claims  KEYS[3] lost  KEYS[4] suspects  KEYS[5] again
-- KEYS[6] parked (see claim.lua)
-- ARGV    cards
-- Returns the number of cards that were not parked before.
local time = redis.call('TIME')
local parked = 0
for _, card in ipairs(ARGV) do
  redis.call('ZREM', KEYS[1], card)
  redis.call('HDEL', KEYS[2], card)
  redis.call('HDEL', KEYS[3], card)
  redis.call('SREM', KEYS[4], card)
  redis.call('SREM', KEYS[5], card)
  parked = parked + redis.call('ZADD', KEYS[6], 'NX', time[1], card)
end
return parked
