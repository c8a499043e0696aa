-- Put cards into the queue. No other script adds a card to it.
-- KEYS[1] queue  KEYS[2] claims  KEYS[3] parked (see claim.lua)
-- ARGV[1] NX: do not move cards that are already in the queue; SET: move them
-- ARGV[2] JSON: {card, due_in (s)}, two lists of equal length, for at least one card. Card ids are
--         below 2^53. Inserting is cheapest if the cards are sorted by due_in.
-- A card that is being checked enters the queue with the end of its claim as its due time. SET also appends
-- the new due time to the claim, so that settle.lua makes the card due no later than that. It replaces an
-- earlier one, as in the queue, so that a plan from an old row can be corrected. A parked card does not enter
-- the queue.
-- Returns the number of cards that were not in the queue before.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local given = cjson.decode(ARGV[2])
local cards = given.card
-- Test whether the keys exist, because reading two missing keys would be half of the script's cost.
local parked = redis.call('EXISTS', KEYS[3]) == 1 and redis.call('ZMSCORE', KEYS[3], unpack(cards)) or {}
local claims = redis.call('EXISTS', KEYS[2]) == 1 and redis.call('HMGET', KEYS[2], unpack(cards)) or {}
local added, free = 0, {}
for i, card in ipairs(cards) do
  local ends_at = claims[i] and tonumber(string.match(claims[i], '|([^|]+)|')) or 0
  -- Round down, because writing and reading the fraction would cost as much as inserting the card.
  local due = math.floor(now + given.due_in[i])
  if parked[i] then
    -- A parked card stays parked.
  elseif ends_at > now then
    added = added + redis.call('ZADD', KEYS[1], 'NX', ends_at, card)
    if ARGV[1] == 'SET' then
      local claim = string.match(claims[i], '^[^|]*|[^|]*|[^|]*')
      redis.call('HSET', KEYS[2], card, string.format('%s|%.3f', claim, due))
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
