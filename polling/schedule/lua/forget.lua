-- Remove cards that no longer want the check from all keys below. A claim that has not ended yet is removed
-- as well, so settling it later has no effect.
-- KEYS[1] queue  KEYS[2] claims  KEYS[3] lost  KEYS[4] suspects  KEYS[5] again
-- KEYS[6] parked (see claim.lua)
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
