-- Announces a live worker; returns how many are alive.
-- KEYS: workers.  ARGV: worker, time to live in milliseconds ("0" = it leaves).
--
-- An entry that expires later than any worker announces was written before the clock was set back.
-- If it counted as alive, a crashed worker would keep a share of the partitions that nobody
-- processes.
local LONGEST_MS = 1200000 -- two terms: acquire.lua has the longest
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
redis.call('ZREMRANGEBYSCORE', KEYS[1], string.format('(%.0f', now + LONGEST_MS), '+inf')
if ARGV[2] == '0' then
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  redis.call('ZADD', KEYS[1], string.format('%.0f', now + tonumber(ARGV[2])), ARGV[1])
end
return redis.call('ZCARD', KEYS[1])
