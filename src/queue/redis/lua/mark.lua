-- Marks waiting frames for purging: of each stream those up to a sequence. A mark never goes back.
-- KEYS: lease, counts, purge marks.
-- ARGV: place of the newest frame that waited, reason, "1" to mark nothing; then for each stream: id, sequence of its last one, that one's place.
-- Answers the place up to which frames are in a worker's hands ("" = none are); then each stream's mark of before, 0 if
-- it had none.
--
-- HDEL is the first write: a Redis at its memory limit allows it and what follows, and there a purge is needed most.
local fence, place = string.match(redis.call('HGET', KEYS[2], 'taken') or '', '^(%S+) (%S+)$')
if not fence or redis.call('GET', KEYS[1]) ~= fence then place = '' end
local function split(text)
  local a, b = string.match(text, '^(%d+)-(%d+)$')
  return tonumber(a or 0), tonumber(b or 0)
end
local taken_a, taken_b = split(place)
local answer, marks = { place }, {}
for a = 4, #ARGV, 3 do
  local before = tonumber(string.match(redis.call('HGET', KEYS[3], ARGV[a]) or '', '^%d+') or 0)
  answer[#answer + 1] = before
  local last_a, last_b = split(ARGV[a + 2])
  local waits = last_a > taken_a or (last_a == taken_a and last_b > taken_b)
  if waits and tonumber(ARGV[a + 1]) > before then marks[#marks + 1] = a end
end
if #marks == 0 or ARGV[3] == '1' then return answer end
redis.call('HDEL', KEYS[2], 'purge_to')
redis.call('HSET', KEYS[2], 'purge_to', ARGV[1])
for _, a in ipairs(marks) do redis.call('HSET', KEYS[3], ARGV[a], ARGV[a + 1] .. ' ' .. ARGV[2]) end
return answer
