-- Reserve up to `want` turns that begin before the horizon ends (GCRA without bursts).
-- KEYS[1] turn: string, the time at which the next unreserved turn begins (Unix time in microseconds)
-- ARGV    interval_us (between two turns), want, horizon_us (from now)
-- Returns the number of turns reserved, the microseconds until the first of them begins, and the microseconds
--         until the next unreserved turn begins.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local interval, want, horizon = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local first = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0))
-- If the clock was set back, the stored time is far ahead: wait at most for the horizon plus one interval.
first = math.min(first, now + horizon + interval)
local turns = math.max(0, math.min(want, math.floor((now + horizon - first) / interval) + 1))
local free = first + turns * interval
if turns > 0 then
    redis.call('SET', KEYS[1], string.format('%.0f', free), 'PX', math.ceil((free - now) / 1000) + 1000)
end
return {turns, first - now, free - now}
