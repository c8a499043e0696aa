-- Count the calls to one gateway that have ended, and note since when it has only failed.
-- KEYS[1] calls, KEYS[2] failures: hashes (gateway_calls.py shows samples)
-- ARGV    answered; JSON: reason -> number of failed calls; max_reasons; kept_seconds of each key
-- Returns nothing.
local now = redis.call('TIME')[1]
local answered, failures, failed, trouble = tonumber(ARGV[1]), cjson.decode(ARGV[2]), 0, nil
for reason, calls in pairs(failures) do
  failed = failed + calls
  if not trouble or calls > failures[trouble] then trouble = reason end
  -- The gateway chooses part of the words, so their number needs a bound.
  if redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[3]) and redis.call('HEXISTS', KEYS[2], reason) == 0 then
    reason = 'other reasons'
  end
  redis.call('HINCRBY', KEYS[2], reason, calls)
end
redis.call('HINCRBY', KEYS[1], 'answered', answered)
redis.call('HINCRBY', KEYS[1], 'failed', failed)
if failed > 0 then redis.call('HSET', KEYS[1], 'failed_at', now, 'trouble', trouble) end
if answered > 0 then
  redis.call('HSET', KEYS[1], 'answered_at', now)
  redis.call('HDEL', KEYS[1], 'failing_since', 'failed_in_a_row')
elseif failed > 0 then
  redis.call('HSETNX', KEYS[1], 'failing_since', now)
  redis.call('HINCRBY', KEYS[1], 'failed_in_a_row', failed)
end
redis.call('EXPIRE', KEYS[1], ARGV[4])
if failed > 0 then redis.call('EXPIRE', KEYS[2], ARGV[5]) end
