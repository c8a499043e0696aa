-- Let the claims of holders that have died run out sooner: nobody will settle them.
-- KEYS[1] queue  KEYS[2] claims (see claim)
-- ARGV    seconds from now, then holders
-- Returns the number of claims that run out sooner than before.
local time = redis.call('TIME')
local ends_at = time[1] + time[2] / 1000000 + tonumber(ARGV[1])
local dead, ended = {}, 0
for i = 2, #ARGV do dead[ARGV[i]] = true end
local claims = redis.call('HGETALL', KEYS[2])
for i = 1, #claims, 2 do
  local card, token, until_end, holder, planned = claims[i], string.match(claims[i + 1], '^([^|]*)|([^|]*)|([^|]*)(.*)$')
  if dead[holder] and tonumber(until_end) > ends_at then
    redis.call('HSET', KEYS[2], card, string.format('%s|%.3f|%s%s', token, ends_at, holder, planned))
    redis.call('ZADD', KEYS[1], 'XX', 'LT', ends_at, card)
    ended = ended + 1
  end
end
return ended
