-- Reserve up to `want` turns of a rate, as far as they begin within the horizon (GCRA without a burst).
-- KEYS[1] turn: string, when the next turn begins that nobody has reserved (unix us)
-- ARGV    interval_us, want, horizon_us
-- Returns the number of turns, us until the first of them, us until the next that nobody has reserved.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local interval, want, horizon = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local first = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0))
-- A clock that was set back must not close the rate for longer than turns can be reserved.
first = math.min(first, now + horizon + interval)
local turns = math.max(0, math.min(want, math.floor((now + horizon - first) / interval) + 1))
local free = first + turns * interval
if turns > 0 then
    redis.call('SET', KEYS[1], string.format('%.0f', free), 'PX', math.ceil((free - now) / 1000) + 1000)
end
return {turns, first - now, free - now}
