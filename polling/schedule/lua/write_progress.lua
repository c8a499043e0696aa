-- Write how far a scan has come, if the hash still belongs to that scan.
-- KEYS[1] progress: hash      ARGV epoch of the scan, field, value, ...
-- Returns 1 if the hash was written, otherwise 0.
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
return 1
