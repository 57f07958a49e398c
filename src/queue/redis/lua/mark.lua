-- Marks waiting frames for purging: of each stream those up to a sequence. A mark never goes back.
-- KEYS: lease, counts, purge marks.
-- ARGV: place of the newest frame that waited, reason; then for each stream: id, sequence of its last one.
-- Answers the place up to which frames are in a worker's hands ("" = none are); then each stream's mark of before, 0 if
-- it had none.
--
-- HDEL is the first write: a Redis at its memory limit allows it and what follows, and there a purge is needed most.
local fence, place = string.match(redis.call('HGET', KEYS[2], 'taken') or '', '^(%S+) (%S+)$')
if not fence or redis.call('GET', KEYS[1]) ~= fence then place = '' end
local answer = { place }
for a = 3, #ARGV, 2 do
  local before = string.match(redis.call('HGET', KEYS[3], ARGV[a]) or '', '^%d+')
  answer[#answer + 1] = tonumber(before or 0)
end
redis.call('HDEL', KEYS[2], 'purge_to')
redis.call('HSET', KEYS[2], 'purge_to', ARGV[1])
for a = 3, #ARGV, 2 do
  if tonumber(ARGV[a + 1]) > answer[(a + 1) / 2] then
    redis.call('HSET', KEYS[3], ARGV[a], ARGV[a + 1] .. ' ' .. ARGV[2])
  end
end
return answer
