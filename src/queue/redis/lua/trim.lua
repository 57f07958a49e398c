-- Removes the oldest entries of an output, with their payloads.
-- KEYS: lease, stream, output, counts; then the entries' payloads.
-- ARGV: fence, revision of the settings that the caller read ("" = any), first sequence to keep,
--       entries to remove, oldest sequence, time of receipt of the newest of them; then each
--       payload's bytes.
-- Returns nil if the lease is lost, {"changed", revision} if the settings were changed, 0 if the
-- output is not as the caller read it, else the removed bytes as text.
--
-- Only the payloads that are there count: those of erased frames were removed before.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local revision = redis.call('HGET', KEYS[2], 'revision') or '0'
if ARGV[2] ~= '' and revision ~= ARGV[2] then return { 'changed', tonumber(revision) } end
local oldest = redis.call('XRANGE', KEYS[3], '-', '+', 'COUNT', 1)
if #oldest == 0 or oldest[1][1] ~= ARGV[5] .. '-0' then return 0 end
redis.call('XTRIM', KEYS[3], 'MINID', '=', ARGV[3] .. '-0')
local left = redis.call('XRANGE', KEYS[3], '-', '+', 'COUNT', 1)
if #left > 0 then redis.call('HSET', KEYS[2], 'oldest', string.match(left[1][1], '^%d+')) end
local removed = 0
for p = 5, #KEYS do
  if redis.call('UNLINK', KEYS[p]) == 1 then removed = removed + tonumber(ARGV[p + 2]) end
end
local bytes = string.format('%.0f', 0 - removed) -- not '-' .. removed: Redis takes no "-0"
redis.call('HINCRBY', KEYS[2], 'output_bytes', bytes)
redis.call('HINCRBY', KEYS[2], 'trimmed', ARGV[4])
redis.call('HSET', KEYS[2], 'trimmed_until', ARGV[6])
redis.call('HINCRBY', KEYS[4], 'output_bytes', bytes)
redis.call('HINCRBY', KEYS[4], 'trimmed', ARGV[4])
return string.format('%.0f', removed)
