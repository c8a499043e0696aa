-- Take up to `want` slots while fewer than the limit are held. Slots whose lease is over are free again.
-- KEYS[1] slots: zset, member = holder#n, score = expiry (unix ms)
-- KEYS[2] limit: string; absent means closed
-- KEYS[3] current: string, number of slots taken, for operators
-- ARGV    holder (unique for this call), want, lease_ms
-- Returns the members taken.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local held = redis.call('ZCARD', KEYS[1])
local limit = tonumber(redis.call('GET', KEYS[2]) or '0')
local members = {}
for n = 1, math.min(tonumber(ARGV[2]), limit - held) do
  members[n] = ARGV[1] .. '#' .. n
  redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), members[n])
end
redis.call('SET', KEYS[3], held + #members)
return members
