-- Counts the kept entries of an output. Sequences have holes only where a backend lost data, so a
-- subtraction is nearly always enough.
-- KEYS: stream, output.  ARGV: sequence to count from.
-- Returns {oldest, head, entries from that sequence on}.
local ends = redis.call('HMGET', KEYS[1], 'fin', 'floor')
local head = math.max(tonumber(ends[1] or 0), tonumber(ends[2] or 0))
local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)
if #oldest == 0 then return { 0, head, 0 } end
local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
local function number(entries) return tonumber(string.match(entries[1][1], '^(%d+)-')) end
local low, high, length = number(oldest), number(newest), redis.call('XLEN', KEYS[2])
local from = math.max(low, tonumber(ARGV[1]))
if from > high then return { low, head, 0 } end
if from == low then return { low, head, length } end
if high - low + 1 == length then return { low, head, high - from + 1 } end
local count, at = 0, string.format('%.0f', from) .. '-0'
while true do
  local page = redis.call('XRANGE', KEYS[2], at, '+', 'COUNT', 500)
  count = count + #page
  if #page < 500 then return { low, head, count } end
  at = '(' .. page[#page][1]
end
