-- Says that a server lives and may accept frames for a time; answers how many do, and until when this one may.
-- KEYS: servers.  ARGV: server, time to live in milliseconds ("0" = it accepts no more).
-- Answers {servers, until when this one may accept (milliseconds)}.
--
-- Who would live on for longer than any server says it does said so before the clock was set back.
-- Begins with a ZREMRANGEBYSCORE: a Redis at its memory limit allows what follows one.
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
