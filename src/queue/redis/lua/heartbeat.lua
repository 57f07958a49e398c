-- Notes that a server is alive and may accept frames for a time.
-- KEYS: servers, those that know erased frames (see erasers.lua).
-- ARGV: server, time to live in milliseconds ("0" = it leaves).
-- Returns {number of servers that may accept, time until which this one may (milliseconds)}.
--
-- An entry that expires later than any server announces was written before the clock was set back.
-- ZREMRANGEBYSCORE is the first write: a Redis at its memory limit allows it and what follows.
local LONGEST_MS = 60000
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local last = now + tonumber(ARGV[2])
for _, key in ipairs(KEYS) do
  redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', now))
  redis.call('ZREMRANGEBYSCORE', key, string.format('(%.0f', now + LONGEST_MS), '+inf')
  if ARGV[2] == '0' then
    redis.call('ZREM', key, ARGV[1])
  else
    redis.call('ZADD', key, string.format('%.0f', last), ARGV[1])
  end
end
return { redis.call('ZCARD', KEYS[1]), last }
