-- Remove slots whose lease has expired, then take up to `want` slots, but no more than the limit leaves free.
-- KEYS[1] slots: zset, member = prefix#n, score = expiry (unix ms)
-- KEYS[2] limit: string; if it does not exist, no slot can be taken
-- KEYS[3] current: string, the number of slots held, for operators to look at
-- ARGV    prefix (the holder's name and a number that is new in each call of this script), want, lease_ms
-- Returns the number of slots held beyond the limit (0 if there are none), and the members of the slots taken.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
-- No lease is longer than lease_ms. If the clock was set back, let earlier leases end no later than new ones.
local lease_end = now + tonumber(ARGV[3])
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], lease_end + 1, '+inf', 'BYSCORE')) do
  redis.call('ZADD', KEYS[1], lease_end, member)
end
local held = redis.call('ZCARD', KEYS[1])
local limit = tonumber(redis.call('GET', KEYS[2]) or '0')
local members = {}
for n = 1, math.min(tonumber(ARGV[2]), limit - held) do
  members[n] = ARGV[1] .. '#' .. n
  redis.call('ZADD', KEYS[1], lease_end, members[n])
end
redis.call('SET', KEYS[3], held + #members)
return { math.max(0, held - limit), members }
