-- Put cards into the queue. This is the only way in.
-- KEYS[1] queue (see claim)   KEYS[2] claims (see claim)
-- ARGV[1] NX (leave cards that are in the queue alone) or SET (move them, unless a claim is alive)
-- ARGV    then per card: card, delay (s)
-- Returns the number of cards that were new in the queue.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local added = 0
for i = 2, #ARGV, 2 do
  local card, due = ARGV[i], now + tonumber(ARGV[i + 1])
  if ARGV[1] == 'NX' then
    added = added + redis.call('ZADD', KEYS[1], 'NX', due, card)
  else
    local claim = redis.call('HGET', KEYS[2], card)
    local ends_at = claim and tonumber(string.match(claim, '|(.+)$')) or 0
    if ends_at <= now then added = added + redis.call('ZADD', KEYS[1], due, card) end
  end
end
return added
