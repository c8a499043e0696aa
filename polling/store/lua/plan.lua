-- Put cards into the queue. This is the only way in.
-- KEYS[1] queue  KEYS[2] claims  KEYS[3] parked (see claim)
-- ARGV[1] NX (leave cards that are in the queue alone) or SET (move them)
-- ARGV    then per card: card, delay (s)
-- A card that is being checked enters at the end of its claim, and is not moved; a parked one does not enter.
-- Returns the number of cards that were new in the queue.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local added = 0
for i = 2, #ARGV, 2 do
  local card, mode, due = ARGV[i], ARGV[1], now + tonumber(ARGV[i + 1])
  if not redis.call('ZSCORE', KEYS[3], card) then
    local claim = redis.call('HGET', KEYS[2], card)
    local ends_at = claim and tonumber(string.match(claim, '|([^|]+)|')) or 0
    if ends_at > now then mode, due = 'NX', ends_at end
    if mode == 'NX' then
      added = added + redis.call('ZADD', KEYS[1], 'NX', due, card)
    else
      added = added + redis.call('ZADD', KEYS[1], due, card)
    end
  end
end
return added
