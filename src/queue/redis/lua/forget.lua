-- Reduces the record of an unregistered stream without waiting frames to the fields that keep its
-- sequences from being issued twice. If too many streams are remembered, forgets those with the
-- lowest sequences. Any caller may run it: the script checks the stored state itself.
-- KEYS: gone, removed, counts, purge marks, stream; then the records of remembered streams, the
--       lowest sequences first.
-- ARGV: stream id, maximum remembered streams; then the ids of those records.
-- Returns 1 if the stream is not in `gone` any more, else 0.
--
-- `removed` has each stream by its last sequence. When one is forgotten, `forgotten` rises to at
-- least its sequence, and unknown ids start after that. SREM is the first write: a Redis at its
-- memory limit allows it and what follows.
local function text(number) return string.format('%.0f', number) end
local f = redis.call('HMGET', KEYS[5], 'removed', 'seq', 'fin', 'settings', 'revision', 'epoch')
-- These fields are kept: the pace of its sequences, its last time of receipt, and the time up to
-- which entries were removed.
local lasting = { 'paced', 'received', 'trimmed_until' }
local kept = redis.call('HMGET', KEYS[5], unpack(lasting))
if f[1] == '1' and f[2] ~= f[3] then return 0 end
redis.call('SREM', KEYS[1], ARGV[1])
if f[1] ~= '1' then return 1 end
redis.call('HDEL', KEYS[4], ARGV[1])
redis.call('UNLINK', KEYS[5])
redis.call('HSET', KEYS[5], 'removed', '1', 'seq', f[2], 'fin', f[2], 'floor', f[2], 'leapt', f[2], 'fin_leapt', f[2],
  'settings', f[4] or '', 'revision', f[5] or '0', 'epoch', f[6] or '0')
for i, field in ipairs(lasting) do
  if kept[i] then redis.call('HSET', KEYS[5], field, kept[i]) end
end
redis.call('ZADD', KEYS[2], f[2], ARGV[1])

local records = { [ARGV[1]] = KEYS[5] }
for k = 6, #KEYS do records[ARGV[k - 3]] = KEYS[k] end
for _ = 1, redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[2]) do
  local lowest = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
  local record = records[lowest[1]]
  if not record then break end -- the next call passes its record
  local counts = redis.call('HMGET', KEYS[3], 'forgotten', 'forgotten_revision')
  local revision = tonumber(redis.call('HGET', record, 'revision') or 0)
  redis.call('ZREM', KEYS[2], lowest[1])
  redis.call('UNLINK', record)
  redis.call('HSET', KEYS[3], 'forgotten', text(math.max(tonumber(counts[1] or 0), tonumber(lowest[2]))),
    'forgotten_revision', text(math.max(tonumber(counts[2] or 0), revision)))
end
return 1
