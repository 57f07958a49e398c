-- Removes a consumer group, if its revision is ARGV[1] where that is not "".
-- KEYS: about, positions, pending, due, members, alive, letters.
-- Answers {"ok"}, {"unknown"} or {"stale", revision}.
local revision = redis.call('HGET', KEYS[1], 'revision')
if not revision then return { 'unknown' } end
if ARGV[1] ~= '' and ARGV[1] ~= revision then return { 'stale', tonumber(revision) } end
redis.call('UNLINK', unpack(KEYS))
return { 'ok' }
