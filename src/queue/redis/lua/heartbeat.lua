-- Notes that a server is alive and may accept frames for a time.
-- KEYS: servers.  ARGV: server, time to live in milliseconds ("0" = it leaves).
-- Returns {number of servers that may accept, time until which this one may (milliseconds)}.
--
-- An entry that expires later than any server announces was written before the clock was set back.
-- ZREMRANGEBYSCORE is the first write: a Redis at its memory limit allows it and what follows.
local LONGEST_MS = 60000
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
redis.call('ZREMRANGEBYSCORE', KEYS[1], string.format('(%.0f', now + LONGEST_MS), '+inf')
local last = now + tonumber(ARGV[2])
if ARGV[2] == '0' then
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  redis.call('ZADD', KEYS[1], string.format('%.0f', last), ARGV[1])
end
return { redis.call('ZCARD', KEYS[1]), last }
