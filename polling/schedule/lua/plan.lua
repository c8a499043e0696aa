-- Put cards into the queue. This is the only way in.
-- KEYS[1] queue  KEYS[2] claims  KEYS[3] parked (see claim)
-- ARGV[1] NX (leave cards that are in the queue alone) or SET (move them)
-- ARGV[2] JSON: [card, delay (s), card, delay, ...], one or more cards below 2^53
--         cheapest when neighbours are due one after the other
-- A card that is being checked enters at the end of its claim; to move it is noted behind its claim, for who settles it.
-- A parked one does not enter.
-- Returns the number of cards that were new in the queue.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local given = cjson.decode(ARGV[2])
local cards = {}
for i = 1, #given, 2 do
  cards[#cards + 1] = given[i]
end
-- To look for what is not there costs half of the whole.
local parked = redis.call('EXISTS', KEYS[3]) == 1 and redis.call('ZMSCORE', KEYS[3], unpack(cards)) or {}
local claims = redis.call('EXISTS', KEYS[2]) == 1 and redis.call('HMGET', KEYS[2], unpack(cards)) or {}
local added, free = 0, {}
for i, card in ipairs(cards) do
  local ends_at = claims[i] and tonumber(string.match(claims[i], '|([^|]+)|')) or 0
  if parked[i] then
    -- It stays where it is.
  elseif ends_at > now then
    added = added + redis.call('ZADD', KEYS[1], 'NX', ends_at, card)
    if ARGV[1] == 'SET' then
      -- The sooner of two notes: somebody may have hastened it.
      local claim, noted = string.match(claims[i], '^([^|]*|[^|]*|[^|]*)|?(.*)$')
      local due = math.min(math.floor(now + given[2 * i]), tonumber(noted) or math.huge)
      redis.call('HSET', KEYS[2], card, claim .. '|' .. string.format('%.3f', due))
    end
  else
    -- Rounded down: to write and to read the fraction costs as much as to insert the card.
    free[#free + 1] = math.floor(now + given[2 * i])
    free[#free + 1] = card
  end
end
if #free == 0 then
  return added
end
if ARGV[1] == 'NX' then
  return added + redis.call('ZADD', KEYS[1], 'NX', unpack(free))
end
return added + redis.call('ZADD', KEYS[1], unpack(free))
