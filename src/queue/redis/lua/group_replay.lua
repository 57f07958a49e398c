-- Puts a frame that the group has given up back among those that are due, with no attempt counted: once for each token.
-- KEYS: about, positions, pending, due, letters, token.
-- ARGV: stream, sequence (16 digits), the bytes that it counts for, letter, "1" if its output entry is kept, time that the
--       token is remembered (ms).
-- Answers {"ok"}, {"gone"} without the group, {"unknown"} if it has no position in the stream, {"full"}, {"ahead"} if the
-- group comes to the frame by itself: nothing is done then.
local about = redis.call('HMGET', KEYS[1], 'outstanding', 'attempts', 'incarnation')
if not about[1] then return { 'gone' } end
local next = redis.call('HGET', KEYS[2], 'n:' .. ARGV[1])
if not next then return { 'unknown' } end
local kept, key = ARGV[5] == '1', ARGV[1] .. ':' .. ARGV[2]
if kept and tonumber(ARGV[2]) >= tonumber(next) then return { 'ahead' } end
-- A token is of one life of the group: one that was made again under the name has not had the frame.
if redis.call('GET', KEYS[6]) == about[3] then return { 'ok' } end
local entry = redis.call('HGET', KEYS[3], key)
local attempt, state = string.match(entry or '', '^(%d+) (%a) ')
-- After a seek it may be on its way already; else it was entered as a dead letter, and not taken off yet.
local on_its_way = state == 'h' or (state == 'w' and tonumber(attempt) < tonumber(about[2]))
if not entry and redis.call('HLEN', KEYS[3]) >= tonumber(about[1]) then return { 'full' } end

-- The first write: a Redis at its memory limit refuses it, and so all.
redis.call('SET', KEYS[6], about[3], 'PX', ARGV[6])
if not on_its_way then
  -- It was given up, and its dead letter is there: nobody will settle that life any more.
  if entry then redis.call('HINCRBY', KEYS[1], 'dead', 1) end
  local clock = redis.call('TIME')
  redis.call('HSET', KEYS[3], key, '0 w ' .. ARGV[3] .. '  ')
  redis.call('ZADD', KEYS[4], string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000)), key)
end
redis.call('HSET', KEYS[5], key, ARGV[4])
return { 'ok' }
