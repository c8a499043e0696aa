-- Claim up to `count` cards: triggered cards first, then due cards, beginning with those due longest.
-- A claim moves the card's due time to the end of the claim. So no list of running checks is needed: the
-- cards of a killed worker fall due again by themselves, and the next claim of such a card counts one lost
-- claim.
-- KEYS[1] queue: zset, card -> due (unix s)        KEYS[2] claims: hash, card -> token|end|holder
-- KEYS[3] epoch: "seeding:<n>" or "<n>"            KEYS[4] tokens: string, number of claims in this epoch
-- KEYS[5] last claim: string, unix s, written even if nothing is due
-- KEYS[6] lost: hash, card -> number of its expired claims
-- KEYS[7] suspects: set, cards to be claimed alone
-- KEYS[8] again: set, claimed cards that must be checked once more
-- KEYS[9] manual: list of triggered card ids       KEYS[10] parked: zset, card -> since (unix s)
-- KEYS[11] counters: hash; this script increases its fields `claimed` and `lost`
-- ARGV[1] JSON: {count, claim_seconds, holder, which, suspect_after, park_after}
--         which: any | manual (triggers only) | alone (one suspect)
--         suspect_after, park_after: lost claims after which a card becomes a suspect or is parked
-- Returns JSON: {claims: {card, token, overdue, triggered}, to_park: {card, holder}, parked};
--         each field is a list. overdue: seconds, negative if the card was not due yet.
--         to_park: cards that lost too many claims, with the holder of the last claim.
--         parked: cards that were triggered, but are parked already.
-- Returns the error EPOCH if there is no schedule.
local epoch = redis.call('GET', KEYS[3])
if not epoch then
  return redis.error_reply('EPOCH there is no schedule; it is made by init_polling or by the next wake-up')
end
local asked = cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
redis.call('SET', KEYS[5], time[1])
local claim_end = now + asked.claim_seconds
local cards, triggered, seen = {}, {}, {}

-- A member that is no id, which only a person can have added, would make the worker fail.
local function is_id(card)
  return #card <= 18 and string.match(card, '^%d+$') ~= nil
end

local function want(found, is_triggered)
  for _, card in ipairs(found) do
    if not is_id(card) then
      redis.call('ZREM', KEYS[1], card)
    -- Claim a card only once, even if it is both triggered and due, or triggered twice.
    elseif not seen[card] then
      seen[card], cards[#cards + 1], triggered[card] = true, card, is_triggered or false
    end
  end
end

local function want_suspect()
  local suspect = redis.call('SPOP', KEYS[7])
  -- Skip a suspect that has been removed from the schedule. A suspect that was only triggered and never
  -- scheduled is not in the queue but in `lost`.
  local function is_known()
    return redis.call('ZSCORE', KEYS[1], suspect) or redis.call('HEXISTS', KEYS[6], suspect) == 1
  end
  if suspect and is_known() then want({suspect}) end
end

local function want_triggered_and_due()
  local count, due = asked.count, {}
  if asked.which == 'any' then
    due = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, count)
  end
  local share = count
  if #due > 0 then
    -- Triggered cards go first, but get at most four fifths of the claims, so that due cards get some too.
    -- If `count` is 1, the two kinds take turns.
    share = math.floor(count * 0.8)
    if count == 1 then share = tonumber(redis.call('GET', KEYS[4]) or '0') % 2 end
  end
  local called_for = share > 0 and redis.call('LPOP', KEYS[9], share) or {}
  want(called_for, true)
  want({unpack(due, 1, math.min(#due, count - #called_for))})
end

if asked.which == 'alone' then want_suspect() else want_triggered_and_due() end
local claims = { card = {}, token = {}, overdue = {}, triggered = {} }
local to_park, already_parked = { card = {}, holder = {} }, {}
local function answer()
  return cjson.encode({ claims = claims, to_park = to_park, parked = already_parked })
end
if #cards == 0 then return answer() end

-- Read and write all cards at once, because one call for each card would take most of a claim's time.
local held = redis.call('HMGET', KEYS[2], unpack(cards))
local due_at = redis.call('ZMSCORE', KEYS[1], unpack(cards))
local has_again = redis.call('EXISTS', KEYS[8]) == 1
local losses = redis.call('EXISTS', KEYS[6]) == 1 and redis.call('HMGET', KEYS[6], unpack(cards)) or {}
local parked = redis.call('EXISTS', KEYS[10]) == 1 and redis.call('ZMSCORE', KEYS[10], unpack(cards)) or {}
local granted, until_end, again, suspects, ran_out = {}, {}, {}, {}, 0

local function hold(card)
  until_end[#until_end + 1] = claim_end
  until_end[#until_end + 1] = card
end

local function consider(n, card)
  if parked[n] then
    already_parked[#already_parked + 1] = card
    return
  end
  local lost, last_holder = tonumber(losses[n] or '0') or 0, ''
  if held[n] then
    -- A claim that cannot be read, which only a person can have written, has ended.
    local ends_at, holder = string.match(held[n], '|([^|]+)|([^|]*)')
    if (tonumber(ends_at) or 0) > now then
      again[#again + 1] = card
      return
    end
    lost, ran_out, last_holder = lost + 1, ran_out + 1, holder or ''
    redis.call('HSET', KEYS[6], card, lost)
    redis.call('HDEL', KEYS[2], card)
  end
  hold(card)
  if lost >= asked.park_after then
    to_park.card[#to_park.card + 1], to_park.holder[#to_park.holder + 1] = card, last_holder
  elseif lost >= asked.suspect_after and asked.which ~= 'alone' then
    suspects[#suspects + 1] = card
  else
    granted[#granted + 1] = n
  end
end

local function grant()
  -- Tokens never repeat and always grow, because their upper half is the epoch.
  local base = tonumber(string.match(epoch, '%d+$')) * 4294967296
  local before, values = base + redis.call('INCRBY', KEYS[4], #granted) - #granted, {}
  for i, n in ipairs(granted) do
    -- Use a string, because cjson would round a number of this size.
    local card, token = cards[n], string.format('%.0f', before + i)
    values[2 * i - 1], values[2 * i] = card, string.format('%s|%.3f|%s', token, claim_end, asked.holder)
    claims.card[i], claims.token[i], claims.triggered[i] = card, token, triggered[card]
    claims.overdue[i] = due_at[n] and now - due_at[n] or 0
    -- If the card was triggered during an earlier claim, this claim is the extra check that was asked for.
    if has_again then redis.call('SREM', KEYS[8], card) end
  end
  redis.call('HSET', KEYS[2], unpack(values))
  redis.call('HINCRBY', KEYS[11], 'claimed', #granted)
end

for n, card in ipairs(cards) do consider(n, card) end
-- XX: checking a card that is not scheduled must not add it to the schedule.
if #until_end > 0 then redis.call('ZADD', KEYS[1], 'XX', unpack(until_end)) end
if #suspects > 0 then redis.call('SADD', KEYS[7], unpack(suspects)) end
if #again > 0 then redis.call('SADD', KEYS[8], unpack(again)) end
if #granted > 0 then grant() end
if ran_out > 0 then redis.call('HINCRBY', KEYS[11], 'lost', ran_out) end
return answer()
