-- Unregisters a stream, if its revision is ARGV[2] where that is not "".
-- KEYS: stream, streams, gone, feed, counts, publishers; then the dedup keys of all its publishers.
-- ARGV: stream id, expected revision, most feed entries.
-- Answers {"ok"}, {"unknown"}, {"stale", revision}, or {"again"} if the publishers are not those of the keys.
local f = redis.call('HMGET', KEYS[1], 'removed', 'revision')
if f[1] ~= '0' then return { 'unknown' } end
if ARGV[2] ~= '' and ARGV[2] ~= f[2] then return { 'stale', tonumber(f[2]) } end
if redis.call('SCARD', KEYS[6]) ~= #KEYS - 6 then return { 'again' } end
for k = 6, #KEYS do redis.call('UNLINK', KEYS[k]) end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('SADD', KEYS[3], ARGV[1])
local clock = redis.call('TIME')
redis.call('HSET', KEYS[1], 'removed', '1', 'updated', string.format('%.0f', clock[1] * 1000000 + clock[2]))
local event = redis.call('HINCRBY', KEYS[5], 'feed', 1)
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[3], string.format('%.0f', event) .. '-0', 'c', ARGV[1])
return { 'ok' }
