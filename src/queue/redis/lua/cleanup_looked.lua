-- Notes that all dead letters were checked after this many removals of streams.
-- KEYS: lease, counts.  ARGV: fence, removals.
-- Returns nil if the lease is lost. HDEL is the first write: a Redis at its memory limit allows it
-- and what follows.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
redis.call('HDEL', KEYS[2], 'removals_looked')
redis.call('HSET', KEYS[2], 'removals_looked', ARGV[2])
return 1
