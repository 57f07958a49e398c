-- Raises a partition's epoch if a server knows of a later state of the partition than the stored
-- one: then the store was restored to an older state.
-- KEYS: counts.
-- ARGV: what the server knows, "epoch:accepted frames:feed position" (see accept.lua).
-- Returns the resulting epoch, accepted frames, feed position, and 1 if the epoch rose.
-- HDEL is the first write: a Redis at its memory limit allows it and what follows.
local counts = redis.call('HMGET', KEYS[1], 'epoch', 'accepted', 'feed')
local epoch, accepted, feed = tonumber(counts[1] or 0), tonumber(counts[2] or 0), tonumber(counts[3] or 0)
local known_epoch, known_accepted = string.match(ARGV[1], '^(%d+):(%d+):')
known_epoch = tonumber(known_epoch)
local forgot = known_epoch > epoch or (known_epoch == epoch and accepted < tonumber(known_accepted))
if forgot then
  epoch = math.max(epoch, known_epoch) + 1
  redis.call('HDEL', KEYS[1], '-')
  redis.call('HSET', KEYS[1], 'epoch', string.format('%.0f', epoch))
end
return { epoch, accepted, feed, forgot and 1 or 0 }
