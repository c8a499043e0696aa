-- Read the limit and the slots that are held now.
-- KEYS[1] slots, KEYS[2] limit (see take_slots)
-- Returns the limit (nil if it is not configured) and the members whose lease has not expired.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return { redis.call('GET', KEYS[2]), redis.call('ZRANGE', KEYS[1], now, '+inf', 'BYSCORE') }
