-- Make scheduled cards due sooner. Of one that is being checked it is noted behind its claim, for who settles it: it is
-- checked once more afterwards.
-- KEYS[1] queue  KEYS[2] claims (see claim)
-- ARGV    per card: card, delay (s)
-- Returns the number of cards that are due sooner, or once more.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local hastened = 0
for i = 1, #ARGV, 2 do
  local card, due, claim = ARGV[i], now + tonumber(ARGV[i + 1]), redis.call('HGET', KEYS[2], ARGV[i])
  if claim and tonumber(string.match(claim, '|([^|]+)|')) > now then
    local held, planned = string.match(claim, '^([^|]*|[^|]*|[^|]*)|?(.*)$')
    if due < (tonumber(planned) or math.huge) then
      redis.call('HSET', KEYS[2], card, string.format('%s|%.3f', held, due))
      hastened = hastened + 1
    end
  else
    hastened = hastened + redis.call('ZADD', KEYS[1], 'XX', 'LT', 'CH', due, card)
  end
end
return hastened
