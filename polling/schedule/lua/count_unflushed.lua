-- Set the totals to the sums of all minutes after the last flushed one. Safe to run twice.
-- KEYS[1] totals: hash
-- ARGV    key prefix of the minutes' buckets, number of the last flushed minute (unix time / 60),
--         mean duration of a check (ms)
local minute = math.floor(redis.call('TIME')[1] / 60)
local sums = { success = 0, failed = 0, total_duration_ms = 0 }
for number = tonumber(ARGV[2]) + 1, minute do
  for field, sum in pairs(sums) do
    sums[field] = sum + tonumber(redis.call('HGET', ARGV[1] .. number, field) or '0')
  end
end
redis.call('HSET', KEYS[1], 'success', sums.success, 'failed', sums.failed,
  'total_duration_ms', sums.total_duration_ms, 'avg_duration_ms', ARGV[3])
