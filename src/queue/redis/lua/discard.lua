-- Removes dead letters with their pictures, each decided by itself.
-- KEYS: lease, dead letters, replays, counts; then for each the key of its picture (its own, or the replays' for none).
-- ARGV: fence ("" = no lease is needed), counter that counts them ("" = none); then for each its id, the bytes that it
-- counts for, "1" if it has a picture.
-- Answers nil if the lease is lost, else how many there were. XDEL is the first write: a full Redis allows it.
if ARGV[1] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local removed, bytes = 0, 0
for i = 0, #KEYS - 5 do
  local id, size, has_picture = ARGV[3 + i * 3], tonumber(ARGV[4 + i * 3]), ARGV[5 + i * 3] == '1'
  if redis.call('XDEL', KEYS[2], id) == 1 then
    if has_picture then redis.call('UNLINK', KEYS[5 + i]) end
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
