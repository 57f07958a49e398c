-- Notes how many removals of streams all dead letters were held against.
-- KEYS: lease, counts.  ARGV: fence, removals.
-- Answers nil if the lease is lost. HDEL is the first write: a Redis at its memory limit allows it and what follows.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
redis.call('HDEL', KEYS[2], 'removals_looked')
redis.call('HSET', KEYS[2], 'removals_looked', ARGV[2])
return 1
