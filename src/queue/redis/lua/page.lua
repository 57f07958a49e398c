-- Reads consecutive entries of an output with its stream's state, at one moment. A script and not a
-- transaction: a Redis at its memory limit queues no commands, and retention must read to make
-- room.
-- KEYS: stream, output.  ARGV: first sequence, maximum entries.
return {
  redis.call('HGETALL', KEYS[1]),
  redis.call('XLEN', KEYS[2]),
  redis.call('XRANGE', KEYS[2], ARGV[1] .. '-0', '+', 'COUNT', ARGV[2]),
}
