-- End claims: say when each card is due next, and count what happened. Safe to send twice.
-- KEYS[1] queue  KEYS[2] claims  KEYS[3] lost  KEYS[4] suspects  KEYS[5] again  KEYS[6] manual (see claim)
-- KEYS[7] totals: hash, since the last flush         KEYS[8] counters: hash, since Redis was emptied
-- ARGV[1] beginning of the name of the minute's bucket; ARGV[2] seconds that a bucket is kept
-- ARGV[3] number of bounds of the two histograms, followed by the bounds of durations (ms, ascending), and
--         those of lateness (s, ascending)
-- ARGV    then per card: card, token, delay (s, or remove), counts (success | failed | nothing | again), ms, seconds late
--         nothing: the card was not asked; its lost claims, and that it is wanted once more, are remembered
--         again: the same, and it is triggered as before
-- Returns the number of cards whose claim was still theirs.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local durations, latenesses, size = {}, {}, tonumber(ARGV[3])
for i = 1, size do
  durations[i], latenesses[i] = tonumber(ARGV[3 + i]), tonumber(ARGV[3 + size + i])
end

-- Zeros, so that an operator who asks for `failed` is told 0 and not nothing.
local accepted, uncounted, counted, sums = 0, 0, false, { success = 0, failed = 0, total_duration_ms = 0 }
local sums_up = { success = true, failed = true, total_duration_ms = true }
local function add(field, amount) sums[field] = (sums[field] or 0) + amount end

local function bucket(bounds, value)
  local number = 1
  while bounds[number] and value > bounds[number] do number = number + 1 end
  return number
end

local function count(outcome, ms, late)
  counted = true
  add(outcome, 1)
  add('total_duration_ms', ms)
  add('h' .. bucket(durations, ms), 1)
  add('l' .. bucket(latenesses, late), 1)
  add('total_late_ms', math.floor(late * 1000))
end

local function settle(card, claim, delay, counts, ms, late)
  redis.call('HDEL', KEYS[2], card)
  if delay == 'remove' then
    redis.call('ZREM', KEYS[1], card)
  else
    -- Whoever planned it meanwhile knew more than who claimed it: the sooner of the two.
    local planned = tonumber(string.match(claim, '^[^|]*|[^|]*|[^|]*|(.+)$'))
    local due = math.min(now + tonumber(delay), planned or math.huge)
    -- XX: a card that was removed while it was being checked must not come back.
    redis.call('ZADD', KEYS[1], 'XX', due, card)
  end
  if counts == 'again' then
    redis.call('LPUSH', KEYS[6], card)
    counts = 'nothing'
  end
  if counts == 'nothing' then uncounted = uncounted + 1 end
  if counts == 'nothing' and delay ~= 'remove' then return end
  redis.call('HDEL', KEYS[3], card)
  redis.call('SREM', KEYS[4], card)
  local once_more = redis.call('SREM', KEYS[5], card) == 1
  if once_more and delay ~= 'remove' then redis.call('LPUSH', KEYS[6], card) end
  if counts ~= 'nothing' then count(counts, ms, late) end
end

for i = 4 + 2 * size, #ARGV, 6 do
  local card, claim = ARGV[i], redis.call('HGET', KEYS[2], ARGV[i])
  if claim and string.match(claim, '^%d+') == ARGV[i + 1] then
    accepted = accepted + 1
    settle(card, claim, ARGV[i + 2], ARGV[i + 3], tonumber(ARGV[i + 4]), tonumber(ARGV[i + 5]))
  end
end

if counted then
  local minute = ARGV[1] .. math.floor(time[1] / 60)
  for field, amount in pairs(sums) do
    redis.call('HINCRBY', minute, field, amount)
    redis.call('HINCRBY', KEYS[8], field, amount)
    if sums_up[field] then redis.call('HINCRBY', KEYS[7], field, amount) end
  end
  redis.call('EXPIRE', minute, ARGV[2])
end
if uncounted > 0 then redis.call('HINCRBY', KEYS[8], 'uncounted', uncounted) end
return accepted
