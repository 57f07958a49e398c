-- Finds frames that are marked for purging, in any state of the queue; for a holder that has no
-- frames in work.
-- KEYS: lease, work queue, counts, purge marks.
-- ARGV: fence, first position (exclusive: "(id", or "-"), maximum entries to read (0: only return
--       the state).
-- Returns nil if the lease is lost, else: 1 if the queue is paused, 1 if it is not and work waits
-- after that position, the last position read ("" = no more are marked), the marked entries, each
-- with one more field, `x`: the given reason.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local held = redis.call('HMGET', KEYS[3], 'state', 'purge_to')
local paused = held[1] == 'paused' and 1 or 0
local waits = paused == 0 and #redis.call('XREVRANGE', KEYS[2], '+', ARGV[2], 'COUNT', 1) or 0
local most = tonumber(ARGV[3])
if not held[2] or most == 0 then return { paused, waits, '', {} } end
local entries = redis.call('XRANGE', KEYS[2], ARGV[2], held[2], 'COUNT', most)
local marked = {}
for _, entry in ipairs(entries) do
  local fields, value = entry[2], {}
  for f = 1, #fields, 2 do value[fields[f]] = fields[f + 1] end
  local to, reason = string.match(redis.call('HGET', KEYS[4], value.s) or '', '^(%d+) (.*)$')
  if to and tonumber(value.q) <= tonumber(to) then
    fields[#fields + 1] = 'x'
    fields[#fields + 1] = reason
    marked[#marked + 1] = entry
  end
end
if #entries == most then return { paused, waits, entries[most][1], marked } end
-- The end is reached. If nothing was found, the marks are removed; frames found earlier are
-- finished by now.
if #marked == 0 then redis.call('HDEL', KEYS[3], 'purge_to') end
return { paused, waits, '', marked }
