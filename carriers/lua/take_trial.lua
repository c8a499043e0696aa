-- Take the one call that may ask whether a gateway does again; nobody else gets one for the length of a lease.
-- KEYS[1] breaker: hash, see breakers.py
-- ARGV    lease_ms, kept_ms
-- Returns 1 for whom it is.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local probe = redis.call('HGET', KEYS[1], 'probe_at')
if not probe or tonumber(probe) > now then return 0 end
redis.call('HSET', KEYS[1], 'probe_at', now + ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
