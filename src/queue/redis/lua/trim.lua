-- Removes the oldest entries of an output, with their payloads.
-- KEYS: lease, stream, output, counts, gone; then the entries' payloads.
-- ARGV: fence, stream id, first sequence to keep, entries to remove, their bytes, oldest sequence, "1" if the caller
--       removes them because the stream is unregistered, when the newest of them was received.
-- Answers nil if the lease is lost, else the number of entries removed: 0 if the output is not what the caller saw.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local entries = tonumber(ARGV[4])
-- It may have been registered again since the caller read it.
if ARGV[7] == '1' and redis.call('HGET', KEYS[2], 'removed') ~= '1' then return 0 end
if entries > 0 then
  local oldest = redis.call('XRANGE', KEYS[3], '-', '+', 'COUNT', 1)
  if #oldest == 0 or oldest[1][1] ~= ARGV[6] .. '-0' then return 0 end
  redis.call('XTRIM', KEYS[3], 'MINID', '=', ARGV[3] .. '-0')
  local left = redis.call('XRANGE', KEYS[3], '-', '+', 'COUNT', 1)
  if #left > 0 then redis.call('HSET', KEYS[2], 'oldest', string.match(left[1][1], '^%d+')) end
  for p = 6, #KEYS do redis.call('UNLINK', KEYS[p]) end
  local bytes = string.format('%.0f', 0 - tonumber(ARGV[5])) -- not '-' .. bytes: Redis takes no "-0"
  redis.call('HINCRBY', KEYS[2], 'output_bytes', bytes)
  redis.call('HINCRBY', KEYS[2], 'trimmed', entries)
  redis.call('HSET', KEYS[2], 'trimmed_until', ARGV[8])
  redis.call('HINCRBY', KEYS[4], 'output_bytes', bytes)
  redis.call('HINCRBY', KEYS[4], 'trimmed', entries)
end
local f = redis.call('HMGET', KEYS[2], 'removed', 'seq', 'fin')
if f[1] == '1' and f[2] == f[3] and redis.call('XLEN', KEYS[3]) == 0 then
  redis.call('DEL', KEYS[3])
  redis.call('SREM', KEYS[5], ARGV[2])
end
return entries
