-- Count the cards that can be claimed now. Also set the time of the last claim, because the readiness check
-- reads it to see that a worker is running.
-- KEYS[1] queue, KEYS[2] epoch, KEYS[3] last claim, KEYS[4] manual, KEYS[5] suspects (see claim.lua)
-- Returns JSON: {due, triggered, suspects}, each a number of cards.
-- Returns the error EPOCH if there is no schedule.
if redis.call('EXISTS', KEYS[2]) == 0 then
  return redis.error_reply('EPOCH there is no schedule')
end
local time = redis.call('TIME')
redis.call('SET', KEYS[3], time[1])
return cjson.encode({
  due = redis.call('ZCOUNT', KEYS[1], '-inf', time[1] + time[2] / 1000000),
  triggered = redis.call('LLEN', KEYS[4]),
  suspects = redis.call('SCARD', KEYS[5]),
})
