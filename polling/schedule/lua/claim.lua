-- Claim up to `count` cards by pushing their due time to the end of the claim: what was triggered by hand first,
-- then what is due, longest due first. There is no list of what is in work: a dead worker's cards fall due again
-- by themselves, and that is noticed here, as a lost claim.
-- KEYS[1] queue: zset, card -> due (unix s)       KEYS[2] claims: hash, card -> token|end|holder
-- KEYS[3] epoch: "seeding:<n>" or "<n>"           KEYS[4] tokens: string, claims made
-- KEYS[5] last claim: string, unix s, also when nothing was due
-- KEYS[6] lost: hash, card -> claims that ran out  KEYS[7] suspects: set, cards to be handed out alone
-- KEYS[8] again: set, in flight and wanted once more
-- KEYS[9] manual: list of card ids, hints          KEYS[10] parked: zset, card -> since (unix s)
-- KEYS[11] counters: hash, here claimed and lost
-- ARGV    count, claim_seconds, holder, which (any | manual: what was triggered only | alone: one suspect only),
--         suspect_after, park_after
-- Returns {card, token, seconds overdue (negative: not due yet), 1 when it was triggered, card, ...}; instead of a token `park` (park it: too
-- many lost claims; the last one's holder follows) or `parked` (it is); error EPOCH when there is no schedule.
local epoch = redis.call('GET', KEYS[3])
if not epoch then
  return redis.error_reply('EPOCH there is no schedule; it is made by init_polling or by the next wake-up')
end
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
redis.call('SET', KEYS[5], time[1])
local count, claim_end, holder, which = tonumber(ARGV[1]), now + tonumber(ARGV[2]), ARGV[3], ARGV[4]
local suspect_after, park_after = tonumber(ARGV[5]), tonumber(ARGV[6])
local cards, triggered, seen = {}, {}, {}

local function want(found, is_triggered)
  for _, card in ipairs(found) do
    -- Triggered and due, or triggered twice: once is enough.
    if not seen[card] then
      seen[card], cards[#cards + 1], triggered[card] = true, card, is_triggered and 1 or 0
    end
  end
end

local function want_suspect()
  local suspect = redis.call('SPOP', KEYS[7])
  -- One that was removed meanwhile is nobody's suspect any more; one that was triggered need not be scheduled.
  local function is_known()
    return redis.call('ZSCORE', KEYS[1], suspect) or redis.call('HEXISTS', KEYS[6], suspect) == 1
  end
  if suspect and is_known() then want({suspect}) end
end

local function want_triggered_and_due()
  local due = {}
  if which == 'any' then due = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, count) end
  local share = count
  if #due > 0 then
    -- Triggers go first, but never keep the periodic checks from running.
    share = math.floor(count * 0.8)
    if count == 1 then share = tonumber(redis.call('GET', KEYS[4]) or '0') % 2 end
  end
  local called_for = share > 0 and redis.call('LPOP', KEYS[9], share) or {}
  want(called_for, true)
  want({unpack(due, 1, math.min(#due, count - #called_for))})
end

if which == 'alone' then want_suspect() else want_triggered_and_due() end
if #cards == 0 then return {} end

-- Read and written at once for all cards: most of a claim's time would be calls.
local claims = redis.call('HMGET', KEYS[2], unpack(cards))
local due_at = redis.call('ZMSCORE', KEYS[1], unpack(cards))
local has_again = redis.call('EXISTS', KEYS[8]) == 1
local losses = redis.call('EXISTS', KEYS[6]) == 1 and redis.call('HMGET', KEYS[6], unpack(cards)) or {}
local parked = redis.call('EXISTS', KEYS[10]) == 1 and redis.call('ZMSCORE', KEYS[10], unpack(cards)) or {}
local granted, taken, until_end, again, suspects, ran_out = {}, {}, {}, {}, {}, 0

local function grant(card, what, more)
  for _, value in ipairs({card, what, more, triggered[card]}) do granted[#granted + 1] = value end
end

local function hold(card)
  until_end[#until_end + 1] = claim_end
  until_end[#until_end + 1] = card
end

local function take(n, card)
  if parked[n] then return grant(card, 'parked', '0') end
  local lost, who = tonumber(losses[n] or '0'), ''
  if claims[n] then
    local ends_at, ran_out_at = string.match(claims[n], '|([^|]+)|([^|]*)')
    if tonumber(ends_at) > now then
      again[#again + 1] = card
      return
    end
    lost, ran_out, who = redis.call('HINCRBY', KEYS[6], card, 1), ran_out + 1, ran_out_at
    redis.call('HDEL', KEYS[2], card)
  end
  hold(card)
  if lost >= park_after then return grant(card, 'park', who) end
  if lost >= suspect_after and which ~= 'alone' then
    suspects[#suspects + 1] = card
    return
  end
  taken[#taken + 1] = n
end

local function claim_taken()
  -- Tokens never repeat and always grow: a newer epoch outranks every older claim.
  local base = tonumber(string.match(epoch, '%d+$')) * 4294967296
  local before, claimed = base + redis.call('INCRBY', KEYS[4], #taken) - #taken, {}
  for i, n in ipairs(taken) do
    local card, token = cards[n], string.format('%.0f', before + i)
    claimed[2 * i - 1], claimed[2 * i] = card, string.format('%s|%.3f|%s', token, claim_end, holder)
    grant(card, token, string.format('%.3f', due_at[n] and now - due_at[n] or 0))
    -- Wanted once more while an earlier claim lived: this one is that.
    if has_again then redis.call('SREM', KEYS[8], card) end
  end
  redis.call('HSET', KEYS[2], unpack(claimed))
  redis.call('HINCRBY', KEYS[11], 'claimed', #taken)
end

for n, card in ipairs(cards) do take(n, card) end
-- XX: a card that is not scheduled does not enter the schedule by being checked.
if #until_end > 0 then redis.call('ZADD', KEYS[1], 'XX', unpack(until_end)) end
if #suspects > 0 then redis.call('SADD', KEYS[7], unpack(suspects)) end
if #again > 0 then redis.call('SADD', KEYS[8], unpack(again)) end
if #taken > 0 then claim_taken() end
if ran_out > 0 then redis.call('HINCRBY', KEYS[11], 'lost', ran_out) end
return granted
