-- Reads the oldest unfinished frames behind a place; the lease makes the reader their only worker.
-- KEYS: lease, work queue.  ARGV: fence, first place (exclusive: "(id", or "-"), most frames.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
return redis.call('XRANGE', KEYS[2], ARGV[2], '+', 'COUNT', ARGV[3])
