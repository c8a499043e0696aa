-- Claim up to `count` due cards, longest due first, by pushing their due time to the end of the claim.
-- There is no list of what is in work: a dead worker's cards fall due again by themselves.
-- KEYS[1] queue: zset, card -> due (unix s)      KEYS[2] claims: hash, card -> token|end
-- KEYS[3] epoch: "seeding:<n>" or "<n>"          KEYS[4] tokens: string, claims made
-- KEYS[5] last claim: string, unix s, also when nothing was due
-- ARGV    count, claim_seconds
-- Returns {card, token, seconds overdue, card, ...}; error EPOCH when there is no schedule.
local epoch = redis.call('GET', KEYS[3])
if not epoch then
  return redis.error_reply('EPOCH there is no schedule; it is made by init_polling or by the next wake-up')
end
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
redis.call('SET', KEYS[5], time[1])
local due = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[1], 'WITHSCORES')
if #due == 0 then return {} end

-- Tokens never repeat and always grow: a newer epoch outranks every older claim.
local count = #due / 2
local base = tonumber(string.match(epoch, '%d+$')) * 4294967296
local last = redis.call('INCRBY', KEYS[4], count)
local claim_end = now + tonumber(ARGV[2])
local ends_at = string.format('%.3f', claim_end)
local granted, claims, scores = {}, {}, {}
for i = 1, count do
  local card, waited = due[2 * i - 1], now - tonumber(due[2 * i])
  local token = string.format('%.0f', base + last - count + i)
  granted[3 * i - 2], granted[3 * i - 1], granted[3 * i] = card, token, string.format('%.3f', waited)
  claims[2 * i - 1], claims[2 * i] = card, token .. '|' .. ends_at
  scores[2 * i - 1], scores[2 * i] = claim_end, card
end
redis.call('HSET', KEYS[2], unpack(claims))
redis.call('ZADD', KEYS[1], 'XX', unpack(scores))
return granted
