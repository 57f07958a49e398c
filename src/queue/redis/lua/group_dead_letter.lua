-- Stores a dead letter of a frame that a consumer group has given up, once for each token.
-- KEYS: counts, dead letters, token, the copy of its picture, stream.
-- ARGV: maximum bytes of dead letters, time that the token is remembered (ms), letter, picture's
--       key ("" = none), the bytes that it counts for with the picture and without, the frame's
--       sequence, its stream's id.
-- Returns 1, or 0 if the frame was erased, or its stream was unregistered after it was accepted: then
-- nothing is stored.
local function text(number) return string.format('%.0f', number) end
local has_copy = redis.call('EXISTS', KEYS[4]) == 1
local stream = redis.call('HMGET', KEYS[5], 'seq', 'floor', 'erased_ranges')
local removed = not stream[1] or tonumber(ARGV[7]) <= tonumber(stream[2] or 0)
  or is_erased(stream[3], tonumber(ARGV[7]))
if removed or redis.call('EXISTS', KEYS[3]) == 1 then
  if has_copy and redis.call('PTTL', KEYS[4]) >= 0 then redis.call('UNLINK', KEYS[4]) end -- uploaded, but not entered
  return removed and 0 or 1
end
local clock = redis.call('TIME')
local dead = redis.call('HMGET', KEYS[1], 'dead_letter_time', 'dead_bytes')
local dead_letter_time = math.max(clock[1] * 1000000 + clock[2], tonumber(dead[1] or 0))
local keeps = has_copy and ARGV[4] ~= '' and tonumber(dead[2] or 0) + tonumber(ARGV[5]) <= tonumber(ARGV[1])
local size = keeps and ARGV[5] or ARGV[6]
redis.call('SET', KEYS[3], '1', 'PX', ARGV[2])
local id = text(dead_letter_time) .. '-' .. text(redis.call('HINCRBY', KEYS[1], 'dead_letters', 1))
redis.call('XADD', KEYS[2], id, 'b', ARGV[3], 'k', keeps and ARGV[4] or '', 'n', size, 's', ARGV[8],
  'q', ARGV[7])
redis.call('HINCRBY', KEYS[5], 'dead', 1)
redis.call('HSET', KEYS[1], 'dead_letter_time', text(dead_letter_time))
redis.call('HINCRBY', KEYS[1], 'dead_frames', 1)
redis.call('HINCRBY', KEYS[1], 'dead_bytes', size)
if keeps then
  redis.call('PERSIST', KEYS[4])
elseif has_copy then
  redis.call('UNLINK', KEYS[4])
end
return 1
