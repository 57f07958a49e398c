-- Stores that frames of a stream are erased.
-- KEYS: stream, erasures.
-- ARGV: stream id, erased ranges that the caller read, new erased ranges, what the caller read that
--       is yet to be erased ("none" = nothing), the same with the new ranges, number of erased frames
--       that the caller read ("" = none): a step that came in between would count frames twice.
-- Returns 1, 0 if the stream is not as the caller read it, or -1 if it is not registered. HDEL is the
-- first write: a Redis at its memory limit allows it and what follows.
local f = redis.call('HMGET', KEYS[1], 'removed', 'erased_ranges', 'erased')
if f[1] ~= '0' then return -1 end
if (f[2] or '') ~= ARGV[2] or (redis.call('HGET', KEYS[2], ARGV[1]) or 'none') ~= ARGV[4] then return 0 end
if (f[3] or '') ~= ARGV[6] then return 0 end
redis.call('HDEL', KEYS[1], 'erased_ranges')
redis.call('HSET', KEYS[1], 'erased_ranges', ARGV[3])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[5])
return 1
