-- Let claims end sooner, because no worker will settle them.
-- KEYS[1] queue  KEYS[2] claims (see claim.lua)
-- ARGV[1] JSON: {expire_in (s), holders: the killed workers; null: all workers}
-- Returns the number of claims that end sooner than before.
local given = cjson.decode(ARGV[1])
local time = redis.call('TIME')
local ends_at = time[1] + time[2] / 1000000 + given.expire_in
local are_all, is_dead, ended = given.holders == cjson.null, {}, 0
for _, holder in ipairs(are_all and {} or given.holders) do is_dead[holder] = true end
local claims = redis.call('HGETALL', KEYS[2])
for i = 1, #claims, 2 do
  local card, token, until_end, holder, planned =
    claims[i], string.match(claims[i + 1], '^([^|]*)|([^|]*)|([^|]*)(.*)$')
  if (are_all or is_dead[holder]) and (tonumber(until_end) or 0) > ends_at + 0.001 then
    redis.call('HSET', KEYS[2], card, string.format('%s|%.3f|%s%s', token, ends_at, holder, planned))
    redis.call('ZADD', KEYS[1], 'XX', 'LT', ends_at, card)
    ended = ended + 1
  end
end
return ended
