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
-- Returns {card, token, seconds overdue, 1 when it was triggered, card, ...}; instead of a token `park` (park it: too
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
local base = tonumber(string.match(epoch, '%d+$')) * 4294967296
local granted, seen, claimed, ran_out = {}, {}, 0, 0

local function grant(card, what, more, triggered)
  for _, value in ipairs({card, what, more, triggered and 1 or 0}) do granted[#granted + 1] = value end
end

local function take(card, triggered)
  -- Triggered and due, or triggered twice: once is enough.
  if seen[card] then return end
  seen[card] = true
  if redis.call('ZSCORE', KEYS[10], card) then return grant(card, 'parked', '0') end
  local claim = redis.call('HGET', KEYS[2], card)
  local lost = tonumber(redis.call('HGET', KEYS[6], card) or '0')
  if claim then
    local ends_at, who = string.match(claim, '|([^|]+)|([^|]*)')
    if tonumber(ends_at) > now then return redis.call('SADD', KEYS[8], card) end
    lost, ran_out = redis.call('HINCRBY', KEYS[6], card, 1), ran_out + 1
    redis.call('HDEL', KEYS[2], card)
    if lost >= park_after then
      redis.call('ZADD', KEYS[1], 'XX', claim_end, card)
      return grant(card, 'park', who)
    end
  elseif lost >= park_after then
    redis.call('ZADD', KEYS[1], 'XX', claim_end, card)
    return grant(card, 'park', '')
  end
  if lost >= suspect_after and which ~= 'alone' then
    redis.call('ZADD', KEYS[1], 'XX', claim_end, card)
    return redis.call('SADD', KEYS[7], card)
  end
  -- Tokens never repeat and always grow: a newer epoch outranks every older claim.
  local token = string.format('%.0f', base + redis.call('INCR', KEYS[4]))
  local due = redis.call('ZSCORE', KEYS[1], card)
  redis.call('HSET', KEYS[2], card, string.format('%s|%.3f|%s', token, claim_end, holder))
  -- XX: a card that is not scheduled does not enter the schedule by being checked.
  redis.call('ZADD', KEYS[1], 'XX', claim_end, card)
  redis.call('SREM', KEYS[8], card)
  claimed = claimed + 1
  grant(card, token, string.format('%.3f', due and math.max(0, now - due) or 0), triggered)
end

local function take_suspect()
  local suspect = redis.call('SPOP', KEYS[7])
  -- One that was removed meanwhile is nobody's suspect any more.
  if suspect and redis.call('ZSCORE', KEYS[1], suspect) then take(suspect) end
end

local function take_triggered_and_due()
  local due = {}
  if which == 'any' then due = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, count) end
  local share = count
  if #due > 0 then
    -- Triggers go first, but never keep the periodic checks from running.
    share = math.floor(count * 0.8)
    if count == 1 then share = tonumber(redis.call('GET', KEYS[4]) or '0') % 2 end
  end
  local triggered = share > 0 and redis.call('LPOP', KEYS[9], share) or {}
  for _, card in ipairs(triggered) do take(card, true) end
  for i = 1, math.min(#due, count - #triggered) do take(due[i]) end
end

if which == 'alone' then take_suspect() else take_triggered_and_due() end
if claimed > 0 then redis.call('HINCRBY', KEYS[11], 'claimed', claimed) end
if ran_out > 0 then redis.call('HINCRBY', KEYS[11], 'lost', ran_out) end
return granted
