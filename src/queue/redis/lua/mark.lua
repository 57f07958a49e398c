-- Marks waiting frames for purging: of each stream those up to a sequence. A mark never goes back.
-- KEYS: lease, counts, purge marks; then each stream.
-- ARGV: position of the newest frame that waited, reason, "1" to mark nothing; then for each
--       stream: id, sequence of its last one, that one's position.
-- Returns the positions of the frames that a worker has taken, separated by spaces; then each
-- stream's earlier mark or its last finished frame, whichever is higher, 0 if it has neither.
--
-- HDEL is the first write: a Redis at its memory limit, which needs a purge most, allows it and
-- what follows.
local fence, places = string.match(redis.call('HGET', KEYS[2], 'in_work') or '', '^(%S+) (.*)$')
if not fence or redis.call('GET', KEYS[1]) ~= fence then places = '' end
local taken = {}
for place in string.gmatch(places, '%S+') do taken[place] = true end
local answer, marks = { places }, {}
for a = 4, #ARGV, 3 do
  local before = tonumber(string.match(redis.call('HGET', KEYS[3], ARGV[a]) or '', '^%d+') or 0)
  before = math.max(before, tonumber(redis.call('HGET', KEYS[3 + (a - 1) / 3], 'fin') or 0))
  answer[#answer + 1] = before
  -- The frames of a stream are taken in order: if its last one is taken, all are.
  if not taken[ARGV[a + 2]] and tonumber(ARGV[a + 1]) > before then marks[#marks + 1] = a end
end
if #marks == 0 or ARGV[3] == '1' then return answer end
redis.call('HDEL', KEYS[2], 'purge_to')
redis.call('HSET', KEYS[2], 'purge_to', ARGV[1])
for _, a in ipairs(marks) do redis.call('HSET', KEYS[3], ARGV[a], ARGV[a + 1] .. ' ' .. ARGV[2]) end
return answer
