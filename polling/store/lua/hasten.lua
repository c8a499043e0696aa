-- Make scheduled cards due sooner. One that is being checked is checked once more afterwards.
-- KEYS[1] queue  KEYS[2] claims  KEYS[3] again (see claim)
-- ARGV    per card: card, delay (s)
-- Returns the number of cards that are due sooner, or once more.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local hastened = 0
for i = 1, #ARGV, 2 do
  local card, claim = ARGV[i], redis.call('HGET', KEYS[2], ARGV[i])
  if claim and tonumber(string.match(claim, '|([^|]+)|')) > now then
    hastened = hastened + redis.call('SADD', KEYS[3], card)
  else
    hastened = hastened + redis.call('ZADD', KEYS[1], 'XX', 'LT', 'CH', now + tonumber(ARGV[i + 1]), card)
  end
end
return hastened
