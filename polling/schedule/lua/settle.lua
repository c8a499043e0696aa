-- End claims: set when each card is due next, and count the results. Safe to run twice.
-- KEYS[1] queue  KEYS[2] claims  KEYS[3] lost  KEYS[4] suspects  KEYS[5] again
-- KEYS[6] manual (see claim.lua)
-- KEYS[7] totals: hash, counts since the last flush
-- KEYS[8] counters: hash, counts since Redis was emptied
-- KEYS[9] forgotten (see forget.lua): these claims only count
-- ARGV[1] JSON: {minute: key prefix of the minutes' buckets, kept_seconds: how long a bucket is kept,
--         duration_bounds (ms, ascending), delay_bounds (s, ascending)}
-- ARGV[2] JSON: {card, token, due_in, counts, duration_ms, late, gateway}, each a list with one value per claim
--         due_in: seconds; null removes the card from the schedule
--         late: how long the card had been due when it was claimed (s)
--         gateway: the gateway that was called, for its own buckets; 0: none
--         counts: success | failed
--               | nothing: the card was not checked, so its lost claims and its mark in `again` are kept
--               | again: the same as `nothing`, but the card also goes to the front of the manual queue
-- Returns the number of cards whose claim was still valid.
local settings, given = cjson.decode(ARGV[1]), cjson.decode(ARGV[2])
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000

-- Start with zeros, so that an operator who reads `failed` gets 0 instead of an empty answer.
local accepted, uncounted, counted, sums = 0, 0, false, { success = 0, failed = 0, total_duration_ms = 0 }
local is_total = { success = true, failed = true, total_duration_ms = true }
local by_gateway = {}
local function add(field, amount, gateway)
  sums[field] = (sums[field] or 0) + amount
  if not gateway or gateway == 0 then return end
  by_gateway[gateway] = by_gateway[gateway] or {}
  by_gateway[gateway][field] = (by_gateway[gateway][field] or 0) + amount
end

local function bucket(bounds, value)
  local number = 1
  while bounds[number] and value > bounds[number] do number = number + 1 end
  return number
end

-- Count the end of a claim; return whether it ended with a check.
local function count(n)
  local outcome, ms, late = given.counts[n], given.duration_ms[n], given.late[n]
  if outcome == 'nothing' or outcome == 'again' then
    uncounted = uncounted + 1
    return false
  end
  counted = true
  local gateway = given.gateway[n]
  add(outcome, 1, gateway)
  add('total_duration_ms', ms, gateway)
  add('h' .. bucket(settings.duration_bounds, ms), 1, gateway)
  add('l' .. bucket(settings.delay_bounds, late), 1)
  add('total_late_ms', math.floor(late * 1000))
  return true
end

-- Read and write all cards at once, because one call for each card would take most of the script's time.
local claims = #given.card > 0 and redis.call('HMGET', KEYS[2], unpack(given.card)) or {}
local function exists(key) return redis.call('EXISTS', key) == 1 end
local has_lost, has_suspects, has_again = exists(KEYS[3]), exists(KEYS[4]), exists(KEYS[5])
local has_forgotten = exists(KEYS[9])
local settled, moved, removed, triggered, seen = {}, {}, {}, {}, {}

local function settle(n, card)
  local is_removed = given.due_in[n] == cjson.null
  settled[#settled + 1] = card
  if is_removed then
    removed[#removed + 1] = card
  else
    -- If the card was rescheduled during its claim, use that due time if it is sooner.
    local planned = tonumber(string.match(claims[n], '^[^|]*|[^|]*|[^|]*|(.+)$'))
    moved[#moved + 1] = math.min(now + given.due_in[n], planned or math.huge)
    moved[#moved + 1] = card
  end
  if given.counts[n] == 'again' then triggered[#triggered + 1] = card end
  if not count(n) and not is_removed then return end
  if has_lost then redis.call('HDEL', KEYS[3], card) end
  if has_suspects then redis.call('SREM', KEYS[4], card) end
  local once_more = has_again and redis.call('SREM', KEYS[5], card) == 1
  if once_more and not is_removed then triggered[#triggered + 1] = card end
end

for n, card in ipairs(given.card) do
  -- Settle a claim only once, even if it was passed twice.
  if claims[n] and not seen[card] and string.match(claims[n], '^%d+') == given.token[n] then
    accepted, seen[card] = accepted + 1, true
    settle(n, card)
  elseif has_forgotten and redis.call('SREM', KEYS[9], given.token[n]) == 1 then
    count(n)
  end
end

local function write(command, key, values)
  if #values > 0 then redis.call(command, key, unpack(values)) end
end
write('HDEL', KEYS[2], settled)
write('ZREM', KEYS[1], removed)
write('LPUSH', KEYS[6], triggered)
-- XX: a card that was removed while it was being checked must not come back.
if #moved > 0 then redis.call('ZADD', KEYS[1], 'XX', unpack(moved)) end

if counted then
  local minute = settings.minute .. math.floor(time[1] / 60)
  for field, amount in pairs(sums) do
    redis.call('HINCRBY', minute, field, amount)
    redis.call('HINCRBY', KEYS[8], field, amount)
    if is_total[field] then redis.call('HINCRBY', KEYS[7], field, amount) end
  end
  redis.call('EXPIRE', minute, settings.kept_seconds)
end
for gateway, amounts in pairs(by_gateway) do
  local minute = string.format('%s%d:%d', settings.minute, math.floor(time[1] / 60), gateway)
  for field, amount in pairs(amounts) do redis.call('HINCRBY', minute, field, amount) end
  redis.call('EXPIRE', minute, settings.kept_seconds)
end
if uncounted > 0 then redis.call('HINCRBY', KEYS[8], 'uncounted', uncounted) end
return accepted
