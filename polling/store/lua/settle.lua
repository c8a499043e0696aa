-- End claims: say when each card is due next, and count what happened. Safe to send twice.
-- KEYS[1] queue  KEYS[2] claims  KEYS[3] lost  KEYS[4] suspects  KEYS[5] again  KEYS[6] manual (see claim)
-- KEYS[7] totals: hash
-- ARGV[1] beginning of the name of the minute's bucket; ARGV[2] seconds that a bucket is kept
-- ARGV[3] number of bounds of the histogram, followed by the bounds (ms, ascending)
-- ARGV    then per card: card, token, delay (s, or remove), counts (success | failed | nothing), ms
--         nothing: the card was not asked; its lost claims, and that it is wanted once more, are remembered
-- Returns the number of cards whose claim was still theirs.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local bounds = {}
for i = 1, tonumber(ARGV[3]) do bounds[i] = tonumber(ARGV[3 + i]) end

-- Zeros, so that an operator who asks for `failed` is told 0 and not nothing.
local accepted, counted, sums = 0, false, { success = 0, failed = 0, total_duration_ms = 0 }
local function add(field, amount) sums[field] = (sums[field] or 0) + amount end

local function count(outcome, ms)
  local bucket = 1
  while bounds[bucket] and ms > bounds[bucket] do bucket = bucket + 1 end
  counted = true
  add(outcome, 1)
  add('total_duration_ms', ms)
  add('h' .. bucket, 1)
end

local function settle(card, delay, counts, ms)
  redis.call('HDEL', KEYS[2], card)
  if delay == 'remove' then
    redis.call('ZREM', KEYS[1], card)
  else
    -- XX: a card that was removed while it was being checked must not come back.
    redis.call('ZADD', KEYS[1], 'XX', now + tonumber(delay), card)
  end
  if counts == 'nothing' and delay ~= 'remove' then return end
  redis.call('HDEL', KEYS[3], card)
  redis.call('SREM', KEYS[4], card)
  local once_more = redis.call('SREM', KEYS[5], card) == 1
  if once_more and delay ~= 'remove' then redis.call('LPUSH', KEYS[6], card) end
  if counts ~= 'nothing' then count(counts, ms) end
end

for i = 4 + #bounds, #ARGV, 5 do
  local card, claim = ARGV[i], redis.call('HGET', KEYS[2], ARGV[i])
  if claim and string.match(claim, '^%d+') == ARGV[i + 1] then
    accepted = accepted + 1
    settle(card, ARGV[i + 2], ARGV[i + 3], tonumber(ARGV[i + 4]))
  end
end

if counted then
  local minute = ARGV[1] .. math.floor(time[1] / 60)
  for field, amount in pairs(sums) do
    redis.call('HINCRBY', minute, field, amount)
    if not string.match(field, '^h') then redis.call('HINCRBY', KEYS[7], field, amount) end
  end
  redis.call('EXPIRE', minute, ARGV[2])
end
return accepted
