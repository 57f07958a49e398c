-- Notes that a frame is about to be run alone.
-- KEYS: lease, suspects.  ARGV: fence, its place in the work queue, the caller's life, most strikes.
-- Answers nil if the lease is lost, else the strikes that the frame has; with the most, it is not to be run, and nothing
-- is noted. Begins with an HDEL: a Redis at its memory limit allows what follows one.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local f = redis.call('HMGET', KEYS[2], 'struck', 'strikes')
local strikes = f[1] == ARGV[2] and tonumber(f[2]) or 0
if strikes < tonumber(ARGV[4]) then
  redis.call('HDEL', KEYS[2], 'alone', 'life')
  redis.call('HSET', KEYS[2], 'alone', ARGV[2], 'life', ARGV[3])
end
return strikes
