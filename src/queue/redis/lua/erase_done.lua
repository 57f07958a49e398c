-- Notes that nothing of a stream is left to be erased.
-- KEYS: lease, erasures.  ARGV: fence, stream id.
-- Returns nil if the lease is lost, 1, or 0 if more was stored in the meantime.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
if redis.call('HGET', KEYS[2], ARGV[2]) ~= '' then return 0 end
redis.call('HDEL', KEYS[2], ARGV[2])
return 1
