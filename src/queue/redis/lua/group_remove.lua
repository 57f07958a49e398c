-- Removes frames that have ended: as dead letters, or because retention removed them.
-- KEYS: as in group_common.lua.
-- ARGV: maximum number of ended frames that are remembered; then for each frame: "stream:sequence",
--       attempt, the reason if it is lost ("" = it is a dead letter), letter it was replayed from
--       ("" = none).
-- Returns nil without a group.
if redis.call('EXISTS', ABOUT) == 0 then return false end
for a = 2, #ARGV, 4 do
  local key, lost = ARGV[a], ARGV[a + 2] ~= ''
  local entry = redis.call('HGET', PENDING, key)
  if entry then
    local attempt, state, size, _, holder = read(entry)
    if text(attempt) == ARGV[a + 1] and (redis.call('HGET', LETTERS, key) or '') == ARGV[a + 3] then
      drop(key)
      if state == 'h' then free(holder, size) end
      redis.call('HINCRBY', ABOUT, lost and 'lost' or 'dead', 1)
      if lost then
        local id, seq = string.match(key, '^([^:]+):(.*)$')
        add_unsent(id, tonumber(seq), tonumber(seq), tonumber(ARGV[a + 2]))
      end
      -- The score is four times the time, plus the end: 0 given up, 1 rejected for good, 2 lost.
      local how = lost and 2 or state == 'x' and 1 or 0
      redis.call('ZADD', ENDED, text(now * 4 + how), key)
    end
  end
end
redis.call('ZREMRANGEBYRANK', ENDED, 0, text(-1 - tonumber(ARGV[1])))
return 1
