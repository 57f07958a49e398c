-- Takes frames off that have ended: as dead letters, or because retention took them.
-- KEYS: about, pending, due, members, letters.
-- ARGV: for each frame: "stream:sequence", attempt, counter ("dead" or "lost"), letter it was replayed from ("" = none).
-- Answers nil without a group.
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
for a = 1, #ARGV, 4 do
  local entry = redis.call('HGET', KEYS[2], ARGV[a])
  local attempt, state, size, holder = string.match(entry or '', '^(%d+) (%a) (%d+) (%S*) ')
  if attempt == ARGV[a + 1] and (redis.call('HGET', KEYS[5], ARGV[a]) or '') == ARGV[a + 3] then
    redis.call('HDEL', KEYS[2], ARGV[a])
    redis.call('ZREM', KEYS[3], ARGV[a])
    redis.call('HDEL', KEYS[5], ARGV[a])
    if state == 'h' and redis.call('HEXISTS', KEYS[4], 's:' .. holder) == 1 then
      redis.call('HINCRBY', KEYS[4], 'f:' .. holder, -1)
      redis.call('HINCRBY', KEYS[4], 'b:' .. holder, string.format('%.0f', 0 - tonumber(size)))
    end
    redis.call('HINCRBY', KEYS[1], ARGV[a + 2], 1)
  end
end
return 1
