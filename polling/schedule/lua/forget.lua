-- Take cards out of every structure: they want no checks any more. Settling a claim that is still alive does nothing.
-- KEYS[1] queue  KEYS[2] claims  KEYS[3] lost  KEYS[4] suspects  KEYS[5] again  KEYS[6] parked (see claim)
-- ARGV    cards
-- Returns the number of cards that were scheduled or parked.
local forgotten = 0
for _, card in ipairs(ARGV) do
  forgotten = forgotten + redis.call('ZREM', KEYS[1], card) + redis.call('ZREM', KEYS[6], card)
  redis.call('HDEL', KEYS[2], card)
  redis.call('HDEL', KEYS[3], card)
  redis.call('SREM', KEYS[4], card)
  redis.call('SREM', KEYS[5], card)
end
return forgotten
