-- Puts a frame that the group has given up back among those that are due, with no attempt counted: once for each token.
-- KEYS: as in group_common.lua, then the token.
-- ARGV: stream, sequence (16 digits), the bytes that it counts for, letter, "1" if its output entry is kept, time that the
--       token is remembered (ms), "1" to change nothing, how many frames count as outstanding beside those that are.
-- Answers {"ok", 1 if one more is outstanding by it}, {"gone"} without the group, {"unknown"} if it has no position in the stream, {"full"}, {"ahead"} if the
-- group comes to the frame by itself: nothing is done then.
local TOKEN = KEYS[11]
local about = redis.call('HMGET', ABOUT, 'outstanding', 'attempts', 'incarnation')
if not about[1] then return { 'gone' } end
local next = redis.call('HGET', POSITIONS, 'n:' .. ARGV[1])
if not next then return { 'unknown' } end
local kept, key = ARGV[5] == '1', ARGV[1] .. ':' .. ARGV[2]
if kept and tonumber(ARGV[2]) >= tonumber(next) then return { 'ahead' } end
-- A token is of one life of the group: one that was made again under the name has not had the frame.
if redis.call('GET', TOKEN) == about[3] then return { 'ok', 0 } end
local entry = redis.call('HGET', PENDING, key)
local attempt, state = 0, ''
if entry then attempt, state = read(entry) end
-- After a seek it may be on its way already; else it was entered as a dead letter, and not taken off yet.
local on_its_way = state == 'h' or ((state == 'w' or state == 'r') and attempt < tonumber(about[2]))
if not entry and redis.call('HLEN', PENDING) + tonumber(ARGV[8]) >= tonumber(about[1]) then return { 'full' } end
local adds = entry and 0 or 1
if ARGV[7] == '1' then return { 'ok', adds } end

-- The first write: a Redis at its memory limit refuses it, and so all.
redis.call('SET', TOKEN, about[3], 'PX', ARGV[6])
if not on_its_way then
  -- It was given up, and its dead letter is there: nobody will settle that life any more.
  if entry then redis.call('HINCRBY', ABOUT, 'dead', 1) end
  write(key, 0, 'w', tonumber(ARGV[3]), 0, '', '')
  redis.call('ZADD', DUE, text(now), key)
end
redis.call('HSET', LETTERS, key, ARGV[4])
redis.call('ZREM', ENDED, key)
return { 'ok', adds }
