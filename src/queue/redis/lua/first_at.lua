-- Finds the oldest entry of an output that was received at or after a time. Writes nothing. Halves
-- the range of sequences, which may have holes: at most 53 steps, as they are below 2^53.
-- KEYS: output, stream. ARGV: time in microseconds.
-- Returns four values: {entry}, or {} if there is none; the time of receipt of the newest entry
-- that retention removed; that of the oldest kept entry; and the stream's erased ranges. Times are in microseconds; 0 = no such
-- entry.
local wanted = tonumber(ARGV[1])
local function first_from(number)
  return redis.call('XRANGE', KEYS[1], string.format('%.0f', number) .. '-0', '+', 'COUNT', 1)[1]
end
local function number_of(entry) return tonumber(string.match(entry[1], '^%d+')) end
local function received(entry)
  for f = 1, #entry[2], 2 do
    if entry[2][f] == 't' then return tonumber(entry[2][f + 1]) end
  end
end
local function text(number) return string.format('%.0f', number) end
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local first = first_from(0)
local oldest = first and received(first) or 0
local state = redis.call('HMGET', KEYS[2], 'trimmed_until', 'trimmed', 'received', 'erased_ranges')
local taken = tonumber(state[1] or 0)
if taken == 0 and tonumber(state[2] or 0) > 0 then -- by an earlier version, which noted no time
  taken = first and oldest or tonumber(state[3] or 0)
end
if not newest or received(newest) < wanted then return { {}, text(taken), text(oldest), state[4] } end
-- `found` is the first entry from sequence `high` on; all entries below `low` are too early.
local found = newest
local low, high = number_of(first), number_of(newest)
while low < high do
  local middle = low + math.floor((high - low) / 2)
  local entry = first_from(middle)
  if received(entry) >= wanted then
    found, high = entry, middle
  else
    low = number_of(entry) + 1
  end
end
return { { found }, text(taken), text(oldest), state[4] }
