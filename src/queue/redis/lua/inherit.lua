-- What a new holder must be careful with, and the strike of the frame that its predecessor died over.
-- KEYS: lease, work queue, suspects.  ARGV: fence, the caller's life, frames that a worker has in work at once.
-- Answers nil if the lease is lost, else the last place to be careful with, or "". Run again, it answers the same.
-- Begins with an HDEL: a Redis at its memory limit allows what follows one.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local f = redis.call('HMGET', KEYS[3], 'unclean', 'alone', 'life', 'struck', 'strikes', 'until')
if not f[1] then return f[6] or '' end
local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', ARGV[3])
local died_over = f[2] and f[3] ~= ARGV[2] and #redis.call('XRANGE', KEYS[2], f[2], f[2]) == 1
redis.call('HDEL', KEYS[3], 'unclean', 'alone', 'life', 'until')
if died_over then
  local strikes = f[4] == f[2] and tonumber(f[5]) or 0
  redis.call('HSET', KEYS[3], 'struck', f[2], 'strikes', strikes + 1)
end
if #oldest == 0 then return '' end
redis.call('HSET', KEYS[3], 'until', oldest[#oldest][1])
return oldest[#oldest][1]
