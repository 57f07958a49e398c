-- Says that a worker lives; answers how many do.
-- KEYS: workers.  ARGV: worker, time to live in milliseconds ("0" = it lives no more).
--
-- Who would live on for longer than any worker says it does said so before the clock was set back. Counted as alive, a
-- dead one would hold a share of the partitions that nobody works on.
local LONGEST_MS = 1200000 -- a worker says so for two terms: acquire.lua has the longest
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
