-- Give slots back, and remove slots whose lease has expired.
-- KEYS[1] slots, KEYS[2] current (see take_slots)
-- ARGV    members to give back; may be empty
-- Returns the number of slots that all processes still hold.
local time = redis.call('TIME')
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', time[1] * 1000 + math.floor(time[2] / 1000))
for _, member in ipairs(ARGV) do
  redis.call('ZREM', KEYS[1], member)
end
local held = redis.call('ZCARD', KEYS[1])
redis.call('SET', KEYS[2], held)
return held
