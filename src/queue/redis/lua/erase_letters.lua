-- Notes how far the dead letters of a stream's erasure are removed.
-- KEYS: lease, erasures.
-- ARGV: fence, stream id, what the caller read that is yet to be erased, what is left of it ("" =
--       nothing: the erasure is complete).
-- Returns nil if the lease is lost, 1 if the erasure is complete, else 0; more may have been stored in
-- the meantime. HDEL is the first write: a Redis at its memory limit allows it and what follows.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
if redis.call('HGET', KEYS[2], ARGV[2]) ~= ARGV[3] then return 0 end
redis.call('HDEL', KEYS[2], ARGV[2])
if ARGV[4] == '' then return 1 end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[4])
return 0
