-- Remove the slots whose lease has expired. Unlike give_back_slots, this returns how many were removed.
-- KEYS[1] slots, KEYS[2] current (see take_slots)
-- Returns the number of slots removed.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local dropped = redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('SET', KEYS[2], redis.call('ZCARD', KEYS[1]))
return dropped
