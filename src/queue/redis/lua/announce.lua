-- Announces a live worker; returns how many are alive.
-- KEYS: workers, those that know erased frames (see erasers.lua).
-- ARGV: worker, time to live in milliseconds ("0" = it leaves).
--
-- An entry that expires later than any worker announces was written before the clock was set back.
-- If it counted as alive, a crashed worker would keep a share of the partitions that nobody
-- processes.
local LONGEST_MS = 1200000 -- two terms: acquire.lua has the longest
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
for _, key in ipairs(KEYS) do
  redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', now))
  redis.call('ZREMRANGEBYSCORE', key, string.format('(%.0f', now + LONGEST_MS), '+inf')
  if ARGV[2] == '0' then
    redis.call('ZREM', key, ARGV[1])
  else
    redis.call('ZADD', key, string.format('%.0f', now + tonumber(ARGV[2])), ARGV[1])
  end
end
return redis.call('ZCARD', KEYS[1])
