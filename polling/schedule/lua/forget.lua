-- Remove cards that no longer want the check from all keys below. A claim that has not been settled yet is
-- removed as well, but its token is kept, so that settle.lua still counts it.
-- KEYS[1] queue  KEYS[2] claims  KEYS[3] lost  KEYS[4] suspects  KEYS[5] again
-- KEYS[6] parked (see claim.lua)       KEYS[7] forgotten: set, tokens of removed claims
-- ARGV    cards
-- Returns the number of cards that were scheduled or parked.
local forgotten, tokens = 0, {}
for _, card in ipairs(ARGV) do
  forgotten = forgotten + redis.call('ZREM', KEYS[1], card) + redis.call('ZREM', KEYS[6], card)
  local claim = redis.call('HGET', KEYS[2], card)
  if claim then
    tokens[#tokens + 1] = string.match(claim, '^%d+')
    redis.call('HDEL', KEYS[2], card)
  end
  redis.call('HDEL', KEYS[3], card)
  redis.call('SREM', KEYS[4], card)
  redis.call('SREM', KEYS[5], card)
end
if #tokens > 0 then
  redis.call('SADD', KEYS[7], unpack(tokens))
  -- A killed worker never settles its claims, so let their tokens expire. No claim is as long as this.
  redis.call('EXPIRE', KEYS[7], 7200)
end
return forgotten
