-- Take one turn of a rate that allows bursts (GCRA).
-- KEYS[1] turn: string, when all turns taken so far are paid for (unix us)
-- ARGV    interval_us, burst
-- Returns 1 or 0 (taken or not), turns left, us until the next turn may be taken, us until all are back.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local window = interval * burst
-- If the clock was set back, close the rate for no longer than its window.
local paid = math.min(math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0)), now + window)
local taken = 0
if paid + interval <= now + window then
    paid, taken = paid + interval, 1
    redis.call('SET', KEYS[1], string.format('%.0f', paid), 'PX', math.ceil((paid - now) / 1000) + 1000)
end
local left = math.floor((now + window - paid) / interval)
return {taken, left, math.max(0, paid + interval - now - window), paid - now}
