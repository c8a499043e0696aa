-- Tell the breakers of some gateways what came of calls since the last report, and hear which are open.
-- KEYS    breakers: hash of each gateway, see breakers.py
-- ARGV    min_calls, bucket_ms, buckets, rest_ms, kept_ms, longest_hold_ms, longest_rest_ms;
--         for each key: answered, failed, hold_ms (0: none)
-- Returns for each key: ms for which no call may go out (0: they may), 1 when it is open (0: held at most).
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local min_calls, bucket_ms, buckets, rest_ms, kept_ms, longest_hold, longest_rest = unpack(ARGV, 1, 7)
local bucket = math.floor(now / bucket_ms)

local function open(key, ms)
    redis.call('DEL', key)
    redis.call('HSET', key, 'opened_at', now, 'probe_at', now + ms)
end

local function count(key, answered, failed)
    redis.call('HINCRBY', key, 'answered:' .. bucket, answered)
    redis.call('HINCRBY', key, 'failed:' .. bucket, failed)
    local sums = {answered = 0, failed = 0}
    local flat = redis.call('HGETALL', key)
    for i = 1, #flat, 2 do
        local what, number = flat[i]:match('^(%a+):(%d+)$')
        if what and tonumber(number) <= bucket - buckets then
            redis.call('HDEL', key, flat[i])
        elseif what then
            sums[what] = sums[what] + flat[i + 1]
        end
    end
    local calls = sums.answered + sums.failed
    if calls >= tonumber(min_calls) and sums.failed * 2 >= calls then open(key, rest_ms) end
end

local function hold(key, ms)
    if ms > tonumber(longest_hold) then
        open(key, math.min(ms, tonumber(longest_rest)))
    else
        local held_until = tonumber(redis.call('HGET', key, 'held_until') or 0)
        redis.call('HSET', key, 'held_until', math.max(held_until, now + ms))
    end
end

local told = {}
for i, key in ipairs(KEYS) do
    local answered, failed, hold_ms = unpack(ARGV, 5 + 3 * i, 7 + 3 * i)
    if redis.call('HEXISTS', key, 'opened_at') == 0 and answered + failed + hold_ms > 0 then
        if answered + failed > 0 then count(key, answered, failed) end
        if tonumber(hold_ms) > 0 then hold(key, tonumber(hold_ms)) end
        redis.call('PEXPIRE', key, kept_ms)
    end
    local opened, probe, held = unpack(redis.call('HMGET', key, 'opened_at', 'probe_at', 'held_until'))
    told[#told + 1] = math.max(0, tonumber(held or 0) - now, opened and probe - now or 0)
    told[#told + 1] = opened and 1 or 0
end
return told
