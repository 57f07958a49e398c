-- Notes that a frame is about to be processed in isolation.
-- KEYS: lease, suspects.
-- ARGV: fence, its position in the work queue, the caller's process id, maximum strikes.
-- Returns nil if the lease is lost, else the frame's strikes; with the maximum, it must not be
-- processed, and nothing is noted. HDEL is the first write: a Redis at its memory limit allows it
-- and what follows.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local f = redis.call('HMGET', KEYS[2], 'struck', 'strikes')
local strikes = f[1] == ARGV[2] and tonumber(f[2]) or 0
if strikes < tonumber(ARGV[4]) then
  redis.call('HDEL', KEYS[2], 'alone', 'life')
  redis.call('HSET', KEYS[2], 'alone', ARGV[2], 'life', ARGV[3])
end
return strikes
