-- Sets a queue's state, and the reason; setting the current state changes nothing.
-- KEYS: counts.  ARGV: "running", "paused" or "draining", reason.
-- HDEL is the first write: a Redis at its memory limit allows it and what follows.
if (redis.call('HGET', KEYS[1], 'state') or 'running') == ARGV[1] then return 0 end
redis.call('HDEL', KEYS[1], 'state', 'state_reason')
redis.call('HSET', KEYS[1], 'state', ARGV[1], 'state_reason', ARGV[2])
return 1
