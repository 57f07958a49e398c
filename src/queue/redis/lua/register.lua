-- Registers a stream (ARGV[3] = ""), or replaces its settings if its revision is ARGV[3].
-- KEYS: stream, streams, gone, feed, counts.
-- ARGV: stream id, settings, expected revision, queue frames, queue bytes, most feed entries.
-- Answers {"ok"}, {"exists"}, {"unknown"} or {"stale", revision}.
local f = redis.call('HMGET', KEYS[1], 'removed', 'revision')
local known, revision = f[1] == '0', tonumber(f[2] or 0)
if ARGV[3] == '' then
  if known then return { 'exists' } end
elseif not known then
  return { 'unknown' }
elseif ARGV[3] ~= string.format('%.0f', revision) then
  return { 'stale', revision }
end
local clock = redis.call('TIME')
local now = string.format('%.0f', clock[1] * 1000000 + clock[2])
-- Never one that was given out before, also where a failover lost writes: workers go by it when they decide what to show.
revision = math.max(revision + 1, clock[1] * 1000000 + clock[2])
redis.call('HSET', KEYS[1], 'settings', ARGV[2], 'revision', string.format('%.0f', revision), 'updated', now,
  'queue_frames', ARGV[4], 'queue_bytes', ARGV[5])
if not known then
  redis.call('HSET', KEYS[1], 'removed', '0', 'created', now)
  -- In a store that was emptied under living servers, numbers begin behind all that can have been given out.
  local base = redis.call('HGET', KEYS[5], 'base')
  if base and redis.call('HSETNX', KEYS[1], 'seq', base) == 1 then
    redis.call('HSET', KEYS[1], 'fin', base, 'leapt', base, 'fin_leapt', base, 'base', base)
  end
  redis.call('HSETNX', KEYS[1], 'epoch', redis.call('HGET', KEYS[5], 'epoch') or '0')
  redis.call('HSETNX', KEYS[1], 'paced', now) -- its first number is given out later
  redis.call('HSETNX', KEYS[1], 'seq', '0')
  redis.call('HSETNX', KEYS[1], 'fin', '0')
  redis.call('ZADD', KEYS[2], 0, ARGV[1])
  redis.call('SREM', KEYS[3], ARGV[1])
end
local event = redis.call('HINCRBY', KEYS[5], 'feed', 1)
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[6], string.format('%.0f', event) .. '-0', 'c', ARGV[1])
return { 'ok' }
