-- Removes a consumer group, if its revision is ARGV[1] where that is not "".
-- KEYS: as in group_common.lua.
-- Answers {"ok"}, {"unknown"} or {"stale", revision}.
local revision = redis.call('HGET', ABOUT, 'revision')
if not revision then return { 'unknown' } end
if ARGV[1] ~= '' and ARGV[1] ~= revision then return { 'stale', tonumber(revision) } end
redis.call('UNLINK', unpack(KEYS))
return { 'ok' }
