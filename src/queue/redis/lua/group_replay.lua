-- Makes a frame that the group has given up due again, with no attempt counted: once for each
-- token.
-- KEYS: as in group_common.lua, then the token.
-- ARGV: stream, sequence (16 digits), the bytes that it counts for, letter, "1" if its output entry
--       is kept, time that the token is remembered (ms), "1" to change nothing, number of frames
--       that count as outstanding in addition to those that are.
-- Returns {"ok", 1 if one more frame is outstanding than before, else 0}; where nothing is done
-- {"gone"} without the group, {"unknown"} if it has no position in the stream, {"full"}, or
-- {"ahead"} if the group reaches the frame by itself.
local TOKEN = KEYS[11]
local about = redis.call('HMGET', ABOUT, 'outstanding', 'attempts', 'incarnation')
if not about[1] then return { 'gone' } end
local next = redis.call('HGET', POSITIONS, 'n:' .. ARGV[1])
if not next then return { 'unknown' } end
local kept, key = ARGV[5] == '1', ARGV[1] .. ':' .. ARGV[2]
if kept and tonumber(ARGV[2]) >= tonumber(next) then return { 'ahead' } end
-- A token belongs to one incarnation of the group: a later group of the same name has not had the
-- frame.
if redis.call('GET', TOKEN) == about[3] then return { 'ok', 0 } end
local entry = redis.call('HGET', PENDING, key)
local attempt, state = 0, ''
if entry then attempt, state = read(entry) end
-- A pending frame may have been delivered again after a seek. Otherwise it is stored as a dead
-- letter and not yet removed from the group.
local on_its_way = state == 'h' or ((state == 'w' or state == 'r') and attempt < tonumber(about[2]))
if not entry and redis.call('HLEN', PENDING) + tonumber(ARGV[8]) >= tonumber(about[1]) then return { 'full' } end
local adds = entry and 0 or 1
if ARGV[7] == '1' then return { 'ok', adds } end

-- The first write: a Redis at its memory limit refuses it, and with it everything.
redis.call('SET', TOKEN, about[3], 'PX', ARGV[6])
if not on_its_way then
  -- It is stored as a dead letter, but group_remove.lua has not removed it yet. That call names the
  -- old dead letter and will not apply any more, so the frame is counted here.
  if entry then redis.call('HINCRBY', ABOUT, 'dead', 1) end
  write(key, 0, 'w', tonumber(ARGV[3]), 0, '', '')
  redis.call('ZADD', DUE, text(now), key)
end
redis.call('HSET', LETTERS, key, ARGV[4])
redis.call('ZREM', ENDED, key)
return { 'ok', adds }
