-- Make scheduled cards due sooner. If a card is being checked, its new due time is appended to its claim, so
-- that settle.lua makes the card due again at that time.
-- KEYS[1] queue  KEYS[2] claims (see claim.lua)
-- ARGV[1] JSON: {card, due_in (s)}, each a list
-- Returns the number of cards that are now due sooner or will be checked once more.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local given, hastened = cjson.decode(ARGV[1]), 0
for i, card in ipairs(given.card) do
  local due, claim = now + given.due_in[i], redis.call('HGET', KEYS[2], card)
  if claim and (tonumber(string.match(claim, '|([^|]+)|')) or 0) > now then
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
