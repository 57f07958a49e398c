-- Reads a stretch of an output with its stream's state, of one moment. A script and no transaction: a Redis at its memory
-- limit queues nothing, and retention must read to make room.
-- KEYS: stream, output.  ARGV: first sequence, most entries.
return {
  redis.call('HGETALL', KEYS[1]),
  redis.call('XLEN', KEYS[2]),
  redis.call('XRANGE', KEYS[2], ARGV[1] .. '-0', '+', 'COUNT', ARGV[2]),
}
