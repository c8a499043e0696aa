-- Put cards into the queue. This is the only way in.
-- KEYS[1] queue  KEYS[2] claims  KEYS[3] parked (see claim)
-- ARGV[1] NX (leave cards that are in the queue alone) or SET (move them)
-- ARGV[2] JSON: {card, due_in (s)}, each a list, one or more cards below 2^53; cheapest in the order of due_in
-- A card that is being checked enters at the end of its claim; SET notes its new time behind the claim, for settle.
-- A parked card does not enter.
-- Returns the number of cards that were new in the queue.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local given = cjson.decode(ARGV[2])
local cards = given.card
-- Reading two keys that do not exist would be half of the whole cost.
local parked = redis.call('EXISTS', KEYS[3]) == 1 and redis.call('ZMSCORE', KEYS[3], unpack(cards)) or {}
local claims = redis.call('EXISTS', KEYS[2]) == 1 and redis.call('HMGET', KEYS[2], unpack(cards)) or {}
local added, free = 0, {}
for i, card in ipairs(cards) do
  local ends_at = claims[i] and tonumber(string.match(claims[i], '|([^|]+)|')) or 0
  -- Rounded down: writing and reading the fraction costs as much as inserting the card.
  local due = math.floor(now + given.due_in[i])
  if parked[i] then
    -- It stays where it is.
  elseif ends_at > now then
    added = added + redis.call('ZADD', KEYS[1], 'NX', ends_at, card)
    if ARGV[1] == 'SET' then
      -- The sooner of two notes: the card may have been hastened meanwhile.
      local claim, noted = string.match(claims[i], '^([^|]*|[^|]*|[^|]*)|?(.*)$')
      redis.call('HSET', KEYS[2], card, string.format('%s|%.3f', claim, math.min(due, tonumber(noted) or math.huge)))
    end
  else
    free[#free + 1] = due
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
