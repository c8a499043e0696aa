-- Count the calls that ended since the last report, open the breakers of failing gateways, and return how
-- long each gateway must rest.
-- KEYS    breakers: one hash for each gateway (breakers.py shows samples)
-- ARGV    min_calls, bucket_ms, buckets, recent_buckets, rest_ms, ttl_ms, longest_hold_ms, longest_rest_ms;
--         for each key: answered, failed, hold_ms (the rest that the gateway asked for, or 0)
-- Returns two numbers for each key: how many ms the gateway must still rest (0 for no rest), and whether its
--         breaker is open (1) or closed (0). A gateway whose breaker is closed rests only if it asked for a
--         rest.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local min_calls, bucket_ms, buckets, recent_buckets = unpack(ARGV, 1, 4)
local rest_ms, ttl_ms, longest_hold, longest_rest = unpack(ARGV, 5, 8)
local bucket = math.floor(now / bucket_ms)

local function open(key, ms)
    redis.call('DEL', key)
    redis.call('HSET', key, 'opened_at', now, 'probe_at', now + ms)
    redis.call('PEXPIRE', key, ttl_ms)
end

local function is_sick(answered, failed)
    return answered + failed >= tonumber(min_calls) and failed * 2 >= answered + failed
end

local function count(key, answered, failed)
    redis.call('HINCRBY', key, 'answered:' .. bucket, answered)
    redis.call('HINCRBY', key, 'failed:' .. bucket, failed)
    redis.call('PEXPIRE', key, ttl_ms)
end

-- Judge even without new calls, because failures may prevail once old answers have left the window.
local function judge(key)
    local all, recent = {answered = 0, failed = 0}, {answered = 0, failed = 0}
    local flat = redis.call('HGETALL', key)
    for i = 1, #flat, 2 do
        local result, number = flat[i]:match('^(%a+):(%d+)$')
        local age = bucket - (tonumber(number) or bucket)
        -- A bucket of the future comes from a clock that was set back.
        if result and (age >= tonumber(buckets) or age < 0) then
            redis.call('HDEL', key, flat[i])
        elseif result then
            all[result] = all[result] + flat[i + 1]
            if age < tonumber(recent_buckets) then recent[result] = recent[result] + flat[i + 1] end
        end
    end
    if is_sick(all.answered, all.failed) or is_sick(recent.answered, recent.failed) then open(key, rest_ms) end
end

local function hold(key, ms)
    if ms > tonumber(longest_hold) then
        open(key, math.min(ms, tonumber(longest_rest)))
    else
        local held_until = tonumber(redis.call('HGET', key, 'held_until') or 0)
        held_until = math.min(math.max(held_until, now + ms), now + longest_hold)
        redis.call('HSET', key, 'held_until', held_until)
        redis.call('PEXPIRE', key, ttl_ms)
    end
end

-- If the clock was set back, the stored times are far ahead: let the rest end now.
local function left(ends_at, longest)
    local ms = tonumber(ends_at or now) - now
    return ms > tonumber(longest) and 0 or math.max(0, ms)
end

local rests = {}
for i, key in ipairs(KEYS) do
    local answered, failed, hold_ms = unpack(ARGV, 6 + 3 * i, 8 + 3 * i)
    if redis.call('HEXISTS', key, 'opened_at') == 0 then
        if answered + failed > 0 then count(key, answered, failed) end
        if tonumber(hold_ms) > 0 then hold(key, tonumber(hold_ms)) end
        judge(key)
    end
    local opened, trial_at, held = unpack(redis.call('HMGET', key, 'opened_at', 'probe_at', 'held_until'))
    rests[#rests + 1] = math.max(left(held, longest_hold), opened and left(trial_at, longest_rest) or 0)
    rests[#rests + 1] = opened and 1 or 0
end
return rests
