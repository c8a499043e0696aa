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

local size_of_card, cards = 6, {}
for i = 4 + 2 * size, #ARGV, size_of_card do cards[#cards + 1] = ARGV[i] end
-- Read and written at once for all cards: most of the time would be calls.
local claims = #cards > 0 and redis.call('HMGET', KEYS[2], unpack(cards)) or {}
local function exists(key) return redis.call('EXISTS', key) == 1 end
local has_lost, has_suspects, has_again = exists(KEYS[3]), exists(KEYS[4]), exists(KEYS[5])
local settled, moved, removed, triggered, told = {}, {}, {}, {}, {}

local function settle(card, claim, delay, counts, ms, late)
  settled[#settled + 1] = card
  if delay == 'remove' then
    removed[#removed + 1] = card
  else
    -- Whoever planned it meanwhile knew more than who claimed it: the sooner of the two.
    local planned = tonumber(string.match(claim, '^[^|]*|[^|]*|[^|]*|(.+)$'))
    moved[#moved + 1] = math.min(now + tonumber(delay), planned or math.huge)
    moved[#moved + 1] = card
  end
  if counts == 'again' then
    triggered[#triggered + 1] = card
    counts = 'nothing'
  end
  if counts == 'nothing' then uncounted = uncounted + 1 end
  if counts == 'nothing' and delay ~= 'remove' then return end
  if has_lost then redis.call('HDEL', KEYS[3], card) end
  if has_suspects then redis.call('SREM', KEYS[4], card) end
  local once_more = has_again and redis.call('SREM', KEYS[5], card) == 1
  if once_more and delay ~= 'remove' then triggered[#triggered + 1] = card end
  if counts ~= 'nothing' then count(counts, ms, late) end
end

for n, card in ipairs(cards) do
  local i = 4 + 2 * size + (n - 1) * size_of_card
  local claim = claims[n]
  -- Told twice of one claim: once is enough.
  if claim and not told[card] and string.match(claim, '^%d+') == ARGV[i + 1] then
    accepted, told[card] = accepted + 1, true
    settle(card, claim, ARGV[i + 2], ARGV[i + 3], tonumber(ARGV[i + 4]), tonumber(ARGV[i + 5]))
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
