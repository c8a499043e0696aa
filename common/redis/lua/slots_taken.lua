-- The slots held now, and the limit.
-- KEYS[1] slots, KEYS[2] limit (see take_slots)
-- Returns the limit (nil: not configured), and the members whose lease is not over.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return { redis.call('GET', KEYS[2]), redis.call('ZRANGE', KEYS[1], now, '+inf', 'BYSCORE') }
