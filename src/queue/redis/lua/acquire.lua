-- Acquires the lease of a partition, if no other worker holds it. The same worker gets a new lease:
-- the reply that granted its old one may have been lost.
-- KEYS: lease, holder, fence, report, suspects.  ARGV: nonce, worker, term in milliseconds.
-- Returns the lease's number, or nil. DEL is the first write: a Redis at its memory limit allows it
-- and what follows.
--
-- A lease that lasts longer than any term was granted before the clock was set back: it is ignored.
-- (If its holder is alive, it loses the lease like any holder of an older fence.)
local LONGEST_MS = 600000 -- twice the longest term that can be configured
local left = redis.call('PTTL', KEYS[1])
if left >= 0 and left <= LONGEST_MS and redis.call('GET', KEYS[2]) ~= ARGV[2] then return false end
redis.call('DEL', KEYS[4])
-- A holder's name is deleted when it releases its lease: one that is still stored did not release
-- it.
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('HSET', KEYS[5], 'unclean', '1') end
local number = redis.call('INCR', KEYS[3])
redis.call('SET', KEYS[1], string.format('%.0f', number) .. ':' .. ARGV[1], 'PX', ARGV[3])
redis.call('SET', KEYS[2], ARGV[2])
return number
