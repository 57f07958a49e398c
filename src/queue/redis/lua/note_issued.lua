-- Notes a sequence that the store certainly issued in a stream. If the store does not know of it,
-- it was restored to an older state: the partition's epoch rises, unless the stream jumps anyway
-- (see accept.lua).
-- KEYS: stream, counts.  ARGV: sequence.
-- Returns 1 if the epoch rose. HDEL is the first write: a Redis at its memory limit allows it and
-- what follows.
local f = redis.call('HMGET', KEYS[1], 'seq', 'epoch')
local epoch = tonumber(redis.call('HGET', KEYS[2], 'epoch') or 0)
if not f[1] or tonumber(f[1]) >= tonumber(ARGV[1]) or tonumber(f[2] or 0) < epoch then return 0 end
redis.call('HDEL', KEYS[2], '-')
redis.call('HSET', KEYS[2], 'epoch', string.format('%.0f', epoch + 1))
return 1
