-- Reads the oldest unfinished frames behind a place; the lease makes the reader their only worker. A paused queue gives
-- none. A frame that is marked for purging comes with one more field, `x`: the reason given.
-- KEYS: lease, work queue, counts, purge marks.  ARGV: fence, first place (exclusive: "(id", or "-"), most frames.
--
-- What it gives is noted as taken, so that a purge leaves alone what is in a worker's hands. HDEL is the first write: a
-- Redis at its memory limit allows it and what follows.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
if redis.call('HGET', KEYS[3], 'state') == 'paused' then return {} end
local entries = redis.call('XRANGE', KEYS[2], ARGV[2], '+', 'COUNT', ARGV[3])
if #entries == 0 then
  -- Nothing waits and nothing is in work: no mark means anything any more.
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
redis.call('HDEL', KEYS[3], 'taken')
redis.call('HSET', KEYS[3], 'taken', ARGV[1] .. ' ' .. entries[#entries][1])
return entries
