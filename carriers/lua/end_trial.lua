-- End a breaker trial. If the gateway answered, close the breaker; otherwise put off the next trial.
-- KEYS[1] breaker: hash (breakers.py shows samples)
-- ARGV    has_answered (0 or 1), rest_ms (time until the next trial)
-- Returns nothing.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
if ARGV[1] == '1' then
    redis.call('DEL', KEYS[1])
elseif redis.call('HEXISTS', KEYS[1], 'opened_at') == 1 then
    redis.call('HSET', KEYS[1], 'probe_at', now + ARGV[2])
end
