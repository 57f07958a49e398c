-- Counts the kept entries of an output. Sequences have holes only where a backend lost data, so a
-- subtraction is nearly always enough.
-- KEYS: stream, output.  ARGV: sequence to count from; sequence from which to look up the oldest entry.
-- Returns {oldest, head, entries from the first sequence on, time of receipt of the oldest entry from
-- the second one on}. The time is in microseconds, as text; 0 = no such entry.
local ends = redis.call('HMGET', KEYS[1], 'fin', 'floor')
local head = math.max(tonumber(ends[1] or 0), tonumber(ends[2] or 0))
local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)
if #oldest == 0 then return { 0, head, 0, '0' } end
local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
local function number(entries) return tonumber(string.match(entries[1][1], '^(%d+)-')) end
local function id(sequence) return string.format('%.0f', sequence) .. '-0' end
local function received()
  local entry = redis.call('XRANGE', KEYS[2], id(tonumber(ARGV[2])), '+', 'COUNT', 1)[1]
  if not entry then return '0' end
  for f = 1, #entry[2], 2 do
    if entry[2][f] == 't' then return entry[2][f + 1] end
  end
  return '0'
end
local low, high, length = number(oldest), number(newest), redis.call('XLEN', KEYS[2])
local function entries()
  local from = math.max(low, tonumber(ARGV[1]))
  if from > high then return 0 end
  if from == low then return length end
  if high - low + 1 == length then return high - from + 1 end
  local count, at = 0, id(from)
  while true do
    local page = redis.call('XRANGE', KEYS[2], at, '+', 'COUNT', 500)
    count = count + #page
    if #page < 500 then return count end
    at = '(' .. page[#page][1]
  end
end
return { low, head, entries(), received() }
