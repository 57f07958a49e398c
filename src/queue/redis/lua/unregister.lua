-- Unregisters a stream; if ARGV[2] is not "", only if that is its etag.
-- KEYS: stream, streams, gone, feed, counts, publishers, output, old outputs, the new key of the
--       output, work queue, purge marks; then the dedup keys of all its publishers.
-- ARGV: stream id, expected etag, the revision that the caller read, maximum feed entries, the
--       settings that are remembered, the purge reason of frames that wait.
-- Returns {"ok", last sequence, frames that wait, entries kept, dead letters kept}, {"unknown"},
-- {"mismatch", incarnation, revision}, or {"again"} if the stream is not as the caller read it.
--
-- The output is renamed in the same step as the stream is removed: no reader finds it under this id
-- any more, even if the id is registered again. The stream's last sequence becomes its floor:
-- frames up to it that still wait are marked for the lease holder, and finish.lua publishes none of
-- them. Dead letters up to the floor are not read any more either, however many there are; the
-- lease holder removes them.
--
-- UNLINK is the first write: a Redis at its memory limit allows it and what follows.
local f = redis.call('HMGET', KEYS[1], 'removed', 'revision', 'seq', 'fin', 'leapt', 'fin_leapt', 'received', 'dead',
  'incarnation', 'replay_received')
if f[1] ~= '0' then return { 'unknown' } end
if ARGV[2] ~= '' and ARGV[2] ~= f[9] .. '-' .. f[2] then return { 'mismatch', f[9], tonumber(f[2]) } end
if ARGV[3] ~= f[2] or redis.call('SCARD', KEYS[6]) ~= #KEYS - 11 then return { 'again' } end
redis.call('UNLINK', KEYS[6])
for k = 12, #KEYS do redis.call('UNLINK', KEYS[k]) end
local publishers = tonumber(redis.call('HGET', KEYS[5], 'publishers') or 0)
redis.call('HSET', KEYS[5], 'publishers', math.max(publishers - (#KEYS - 11), 0))
local function text(number) return string.format('%.0f', number) end
local seq, fin = tonumber(f[3] or 0), tonumber(f[4] or 0)
local queued = seq - tonumber(f[5] or 0) - (fin - tonumber(f[6] or 0))
local kept = redis.call('XLEN', KEYS[7])
if kept > 0 then
  redis.call('RENAME', KEYS[7], KEYS[9])
  redis.call('SADD', KEYS[8], KEYS[9])
else
  redis.call('UNLINK', KEYS[7])
end
-- No frame that was received up to now can be read any more.
local received = text(math.max(tonumber(f[7] or 0), tonumber(f[10] or 0)))
if received ~= '0' then redis.call('HSET', KEYS[1], 'trimmed_until', received, 'received', received) end
redis.call('HDEL', KEYS[1], 'replay_received')
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('SADD', KEYS[3], ARGV[1])
local clock = redis.call('TIME')
redis.call('HINCRBY', KEYS[5], 'settings_bytes', 0 - redis.call('HSTRLEN', KEYS[1], 'settings'))
redis.call('HDEL', KEYS[1], 'queue_frames', 'queue_bytes', 'queue_drops', 'oldest', 'dead', 'picture', 'erased_ranges')
redis.call('HSET', KEYS[1], 'removed', '1', 'updated', text(clock[1] * 1000000 + clock[2]), 'settings', ARGV[5],
  'floor', text(seq), 'output_bytes', '0')
if queued > 0 then
  local newest = redis.call('XREVRANGE', KEYS[10], '+', '-', 'COUNT', 1)
  if #newest > 0 then redis.call('HSET', KEYS[5], 'purge_to', newest[1][1]) end
  redis.call('HSET', KEYS[11], ARGV[1], text(seq) .. ' ' .. ARGV[6])
end
-- It may have dead letters: the lease holder checks all of them when this number changes.
if seq > 0 then redis.call('HINCRBY', KEYS[5], 'removals', 1) end
local event = redis.call('HINCRBY', KEYS[5], 'feed', 1)
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[4], text(event) .. '-0', 'c', ARGV[1], 'u', text(seq))
return { 'ok', seq, queued, kept, math.max(tonumber(f[8] or 0), 0) }
