-- Give slots back, and drop those that have expired. Without members it only drops expired ones.
-- KEYS[1] slots, KEYS[2] current (see take_slots)
-- ARGV    members
-- Returns the number of slots still held.
local time = redis.call('TIME')
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', time[1] * 1000 + math.floor(time[2] / 1000))
for _, member in ipairs(ARGV) do
  redis.call('ZREM', KEYS[1], member)
end
local held = redis.call('ZCARD', KEYS[1])
redis.call('SET', KEYS[2], held)
return held
