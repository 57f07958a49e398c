-- Removes dead letters with their pictures; each is decided by itself.
-- KEYS: lease, dead letters, replays, counts; then for each: its stream, and its picture (the key
--       of the replays if it has none).
-- ARGV: fence ("" = no lease is needed), the counter that counts them ("" = none); then for each:
--       its id, the bytes that it counts for, "1" if it has a picture, its frame's sequence.
-- Returns nil if the lease is lost, else how many existed. XDEL is the first write: a full Redis
-- allows it.
--
-- A stream's count of dead letters does not include those up to its floor: the count began again
-- when the stream was unregistered.
if ARGV[1] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local removed, bytes = 0, 0
for i = 0, (#KEYS - 4) / 2 - 1 do
  local stream, picture, a = KEYS[5 + i * 2], KEYS[6 + i * 2], 3 + i * 4
  local id, size, has_picture, number = ARGV[a], tonumber(ARGV[a + 1]), ARGV[a + 2] == '1', tonumber(ARGV[a + 3])
  if redis.call('XDEL', KEYS[2], id) == 1 then
    if has_picture then redis.call('UNLINK', picture) end
    local known = redis.call('HMGET', stream, 'dead', 'floor')
    if known[1] and number > tonumber(known[2] or 0) then redis.call('HINCRBY', stream, 'dead', -1) end
    redis.call('HDEL', KEYS[3], id)
    removed, bytes = removed + 1, bytes + size
  end
end
if removed > 0 then
  redis.call('HINCRBY', KEYS[4], 'dead_frames', 0 - removed)
  redis.call('HINCRBY', KEYS[4], 'dead_bytes', string.format('%.0f', 0 - bytes))
  if ARGV[2] ~= '' then redis.call('HINCRBY', KEYS[4], ARGV[2], removed) end
end
return removed
