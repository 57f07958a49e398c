-- Finds the first entry of an output that was received at or after a time: received times never go back in an output.
-- KEYS: stream, output.  ARGV: time (microseconds).
-- Answers its number, one past the newest if there is none, or nil if the stream is unknown.
local fin = redis.call('HGET', KEYS[1], 'fin')
if not fin then return false end
local function first(from, order)
  local entry = redis.call(order or 'XRANGE', KEYS[2], from, order and '-' or '+', 'COUNT', 1)[1]
  if not entry then return nil end
  return tonumber(string.match(entry[1], '^(%d+)-')), tonumber(entry[2][2]) -- the first field is `t`
end
local time = tonumber(ARGV[1])
local low, low_time = first('-')
local high, high_time = first('+', 'XREVRANGE')
if not low or high_time < time then return tonumber(fin) + 1 end
if low_time >= time then return low end
-- The entry at `low` is too early, that at `high` is not.
while high - low > 1 do
  local middle = math.floor((low + high) / 2)
  local number, received = first(string.format('%.0f', middle) .. '-0')
  if received < time then
    low = number
  elseif number >= high then
    high = middle -- nothing between
    local _, at = first(string.format('%.0f', low + 1) .. '-0')
    if at >= time then return (first(string.format('%.0f', low + 1) .. '-0')) end
  else
    high = number
  end
end
return (first(string.format('%.0f', high) .. '-0'))
