-- Takes unfinished frames; the lease makes the reader their only worker. A paused queue returns
-- none. A frame that is marked for purging has one more field, `x`: the given reason.
-- KEYS: lease, work queue, counts, purge marks.
-- ARGV: fence, first position (exclusive: "(id", or "-"; "" = the frames at the given positions),
--       maximum frames, then the positions of those frames.
--
-- The frames that were taken are noted in `in_work`, and some finished ones: a purge does not mark
-- them, and after a crash those that still wait are isolated. HDEL is the first write: a Redis at
-- its memory limit allows it and what follows. (`taken` is what an earlier version noted.)
local LONG_NOTE = 2000 -- characters, about a hundred frames
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local held = redis.call('HMGET', KEYS[3], 'state', 'in_work')
if held[1] == 'paused' then return {} end
local entries = {}
if ARGV[2] ~= '' then
  entries = redis.call('XRANGE', KEYS[2], ARGV[2], '+', 'COUNT', ARGV[3])
else
  for a = 4, #ARGV do entries[#entries + 1] = redis.call('XRANGE', KEYS[2], ARGV[a], ARGV[a])[1] end
end
if #entries == 0 then
  -- Nothing waits and nothing is in work: the marks are obsolete.
  if redis.call('XLEN', KEYS[2]) == 0 then redis.call('DEL', KEYS[4]) end
  return entries
end
if redis.call('EXISTS', KEYS[4]) == 1 then
  for _, entry in ipairs(entries) do
    local fields, value = entry[2], {}
    for f = 1, #fields, 2 do value[fields[f]] = fields[f + 1] end
    local to, reason = string.match(redis.call('HGET', KEYS[4], value.s) or '', '^(%d+) (.*)$')
    if to and tonumber(value.q) <= tonumber(to) then
      fields[#fields + 1] = 'x'
      fields[#fields + 1] = reason
    end
  end
end
local in_work, new = { ARGV[1] }, {}
for _, entry in ipairs(entries) do
  in_work[#in_work + 1] = entry[1]
  new[entry[1]] = true
end
local fence, before = string.match(held[2] or '', '^(%S+)(.*)$')
if fence == ARGV[1] then
  -- Finished frames are removed from the note only if it is long: looking each up takes time.
  local is_long = #before > LONG_NOTE
  for place in string.gmatch(before, '%S+') do
    if not new[place] and (not is_long or #redis.call('XRANGE', KEYS[2], place, place) == 1) then
      in_work[#in_work + 1] = place
    end
  end
end
redis.call('HDEL', KEYS[3], 'taken', 'in_work')
redis.call('HSET', KEYS[3], 'in_work', table.concat(in_work, ' '))
return entries
