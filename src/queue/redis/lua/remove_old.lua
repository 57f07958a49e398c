-- Removes the oldest entries of an unregistered stream's output, with their payloads.
-- KEYS: lease, old outputs, this output, counts; then the entries' payloads.
-- ARGV: fence, first sequence to keep, entries to remove, oldest sequence; then each payload's bytes.
-- Returns nil if the lease is lost, else 1.
--
-- Only the payloads that are there count: those of erased frames were removed before.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local oldest = redis.call('XRANGE', KEYS[3], '-', '+', 'COUNT', 1)
if #oldest > 0 and oldest[1][1] == ARGV[4] .. '-0' then
  redis.call('XTRIM', KEYS[3], 'MINID', '=', ARGV[2] .. '-0')
  local bytes = 0
  for p = 5, #KEYS do
    if redis.call('UNLINK', KEYS[p]) == 1 then bytes = bytes + tonumber(ARGV[p]) end
  end
  -- Subtracted, not written with a leading '-': Redis does not accept "-0".
  redis.call('HINCRBY', KEYS[4], 'output_bytes', string.format('%.0f', 0 - bytes))
  redis.call('HINCRBY', KEYS[4], 'trimmed', ARGV[3])
end
if redis.call('XLEN', KEYS[3]) == 0 then
  redis.call('UNLINK', KEYS[3])
  redis.call('SREM', KEYS[2], KEYS[3])
end
return 1
