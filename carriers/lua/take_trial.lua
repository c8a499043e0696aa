-- Take the breaker trial if one is due. An open breaker allows no other call.
-- The next trial is due when the lease of this trial ends, so only one trial runs at a time.
-- KEYS[1] breaker: hash (breakers.py shows samples)
-- ARGV    lease_ms, ttl_ms, longest_rest_ms
-- Returns 1 when the caller must make the trial, otherwise 0.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local trial_at = redis.call('HGET', KEYS[1], 'probe_at')
if not trial_at then return 0 end
-- A trial that is due later than the longest rest comes from a clock that was set back: it is due now.
local wait = tonumber(trial_at) - now
if wait > 0 and wait <= tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], 'probe_at', now + ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
