-- What there is to do now. It counts as a claim: somebody is there to claim.
-- KEYS[1] queue, KEYS[2] epoch, KEYS[3] last claim, KEYS[4] manual, KEYS[5] suspects (see claim)
-- Returns how many cards are due, how many were triggered, how many are to be handed out alone; error EPOCH when there is no
-- schedule.
if redis.call('EXISTS', KEYS[2]) == 0 then
  return redis.error_reply('EPOCH there is no schedule')
end
local time = redis.call('TIME')
redis.call('SET', KEYS[3], time[1])
local due = redis.call('ZCOUNT', KEYS[1], '-inf', time[1] + time[2] / 1000000)
return { due, redis.call('LLEN', KEYS[4]), redis.call('SCARD', KEYS[5]) }
