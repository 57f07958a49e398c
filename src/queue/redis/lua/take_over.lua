-- Finds the frames that a new holder must isolate, and gives a strike to the frame that its
-- predecessor had isolated when it crashed.
-- KEYS: lease, work queue, suspects, counts.
-- ARGV: fence, the caller's process id, number of the oldest frames to isolate in any case.
-- Returns nil if the lease is lost, else the positions of the frames to isolate, separated by
-- spaces: the oldest ones, and those that were noted as taken (see take.lua). A repeated call
-- returns the same. HDEL is the first write: a Redis at its memory limit allows it and what
-- follows.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local f = redis.call('HMGET', KEYS[3], 'unclean', 'alone', 'life', 'struck', 'strikes', 'isolate')
if not f[1] then return f[6] or '' end
local suspects, found = {}, {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', ARGV[3])) do
  suspects[#suspects + 1] = entry[1]
  found[entry[1]] = true
end
local taken = string.match(redis.call('HGET', KEYS[4], 'in_work') or '', '^%S+(.*)$') or ''
for place in string.gmatch(taken, '%S+') do
  if not found[place] and #redis.call('XRANGE', KEYS[2], place, place) == 1 then suspects[#suspects + 1] = place end
end
local died_over = f[2] and f[3] ~= ARGV[2] and #redis.call('XRANGE', KEYS[2], f[2], f[2]) == 1
redis.call('HDEL', KEYS[3], 'unclean', 'alone', 'life', 'until', 'isolate')
if died_over then
  local strikes = f[4] == f[2] and tonumber(f[5]) or 0
  redis.call('HSET', KEYS[3], 'struck', f[2], 'strikes', strikes + 1)
end
if #suspects == 0 then return '' end
local isolate = table.concat(suspects, ' ')
redis.call('HSET', KEYS[3], 'isolate', isolate)
return isolate
