-- Take one turn if one is left (GCRA with bursts).
-- KEYS[1] turn: string, the time at which all turns are available again if no more are taken (unix us)
-- ARGV    interval_us (until one turn comes back), burst (the largest number of available turns)
-- Returns 1 if a turn was taken, else 0; the number of turns left; the microseconds until a turn can be
--         taken; and the microseconds until all turns are available again.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local window = interval * burst
-- If the clock was set back, the stored time is far ahead: wait at most for one window.
local paid = math.min(math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0)), now + window)
local taken = 0
if paid + interval <= now + window then
    paid, taken = paid + interval, 1
    redis.call('SET', KEYS[1], string.format('%.0f', paid), 'PX', math.ceil((paid - now) / 1000) + 1000)
end
local left = math.floor((now + window - paid) / interval)
return {taken, left, math.max(0, paid + interval - now - window), paid - now}
