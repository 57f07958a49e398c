-- Becomes the holder of a partition, if nobody else is. The same worker gets a new lease: the answer that brought its
-- old one may be lost.
-- KEYS: lease, holder, fence, report, suspects.  ARGV: nonce, worker, term in milliseconds.
-- Answers the lease's number, or nil. Begins with a DEL: a Redis at its memory limit allows what follows one.
if redis.call('EXISTS', KEYS[1]) == 1 and redis.call('GET', KEYS[2]) ~= ARGV[2] then return false end
redis.call('DEL', KEYS[4])
-- A holder that gave its lease back has left no name.
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('HSET', KEYS[5], 'unclean', '1') end
local number = redis.call('INCR', KEYS[3])
redis.call('SET', KEYS[1], string.format('%.0f', number) .. ':' .. ARGV[1], 'PX', ARGV[3])
redis.call('SET', KEYS[2], ARGV[2])
return number
