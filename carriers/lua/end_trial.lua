-- End a breaker trial: an answer closes the breaker; otherwise an open breaker rests again.
-- KEYS[1] breaker: hash, see breakers.py
-- ARGV    has_answered (0 or 1), rest_ms
-- Returns nothing.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
if ARGV[1] == '1' then
    redis.call('DEL', KEYS[1])
elseif redis.call('HEXISTS', KEYS[1], 'opened_at') == 1 then
    redis.call('HSET', KEYS[1], 'probe_at', now + ARGV[2])
end
