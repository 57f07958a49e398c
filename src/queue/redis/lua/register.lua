-- Registers a stream (ARGV[3] = ""), or replaces its settings if its etag is ARGV[3].
-- KEYS: stream, streams, gone, feed, counts, removed.
-- ARGV: stream id, settings, expected etag, maximum frames and bytes that may wait and whether the
--       oldest are dropped ("1", "0"), each "" where the settings do not say, maximum feed entries,
--       incarnation of a new one.
-- Returns {"ok"}, {"exists"}, {"unknown"} or {"mismatch", incarnation, revision}.
local function text(number) return string.format('%.0f', number) end
local f = redis.call('HMGET', KEYS[1], 'removed', 'revision', 'seq', 'fin', 'leapt', 'fin_leapt', 'queued_bytes',
  'incarnation')
local known, revision = f[1] == '0', tonumber(f[2] or 0)
if ARGV[3] == '' then
  if known then return { 'exists' } end
elseif not known then
  return { 'unknown' }
elseif ARGV[3] ~= f[8] .. '-' .. text(revision) then
  return { 'mismatch', f[8], revision }
end
local clock = redis.call('TIME')
local now = text(clock[1] * 1000000 + clock[2])
local counts = redis.call('HMGET', KEYS[5], 'base', 'forgotten', 'forgotten_revision', 'base_epoch', 'base_paced')
-- A revision is never issued twice, even if a failover lost writes: workers use it to decide which
-- settings apply.
revision = math.max(revision + 1, tonumber(counts[3] or 0) + 1, clock[1] * 1000000 + clock[2])
local before = known and redis.call('HSTRLEN', KEYS[1], 'settings') or 0
redis.call('HSET', KEYS[1], 'settings', ARGV[2], 'revision', text(revision), 'updated', now)
for i, field in ipairs({ 'queue_frames', 'queue_bytes', 'queue_drops' }) do
  local said = ARGV[3 + i]
  if said == '' then redis.call('HDEL', KEYS[1], field) else redis.call('HSET', KEYS[1], field, said) end
end
redis.call('HINCRBY', KEYS[5], 'settings_bytes', #ARGV[2] - before)
if not known then
  redis.call('HSET', KEYS[1], 'removed', '0', 'created', now, 'incarnation', ARGV[8])
  local seq, fin = tonumber(f[3] or 0), tonumber(f[4] or 0)
  if f[3] then
    -- It was registered before: sequences continue, counters start from zero. Frames that still
    -- wait count as accepted in the new counters, and as removed once they leave the queue.
    local queued = seq - tonumber(f[5] or 0) - (fin - tonumber(f[6] or 0))
    redis.call('HDEL', KEYS[1], 'base', 'failed', 'dropped', 'purged', 'erased', 'deleted', 'trimmed', 'duplicates', 'failing',
      'published_bytes', 'over_budget', 'over_budget_in_row')
    redis.call('HSET', KEYS[1], 'leapt', text(seq - queued), 'fin_leapt', text(fin), 'accepted_bytes', f[7] or '0')
  else
    -- Sequences start after all that can have been issued under this id: by a stream that was
    -- removed and is forgotten, in a store that was emptied while servers ran, or by a stream that
    -- a failover lost with its registration.
    local base, forgotten = tonumber(counts[1] or 0), tonumber(counts[2] or 0)
    seq = math.max(base, forgotten)
    local start = text(seq)
    redis.call('HSET', KEYS[1], 'seq', start, 'fin', start)
    if seq > 0 then redis.call('HSET', KEYS[1], 'leapt', start, 'fin_leapt', start) end
    if forgotten > 0 then redis.call('HSET', KEYS[1], 'floor', text(forgotten)) end
    if base > forgotten then redis.call('HSET', KEYS[1], 'base', start) end
  end
  -- If the partition's epoch is higher than the one set here, the first sequence jumps (see
  -- accept.lua). No sequence is issued before now, so the pace begins now.
  redis.call('HSETNX', KEYS[1], 'epoch', counts[4] or '0')
  redis.call('HSETNX', KEYS[1], 'paced', text(math.max(tonumber(now), tonumber(counts[5] or 0))))
  redis.call('HSETNX', KEYS[5], 'base_paced', now)
  redis.call('ZADD', KEYS[2], 0, ARGV[1])
  redis.call('SREM', KEYS[3], ARGV[1])
  redis.call('ZREM', KEYS[6], ARGV[1])
end
local event = redis.call('HINCRBY', KEYS[5], 'feed', 1)
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[7], text(event) .. '-0', 'c', ARGV[1])
return { 'ok' }
