-- Removes a consumer group; if ARGV[1] is not "", only if that is its etag.
-- KEYS: as in group_common.lua.
-- Returns {"ok"}, {"unknown"} or {"mismatch", incarnation, version}: see group_common.lua.
local about = redis.call('HMGET', ABOUT, 'revision', 'generation', 'incarnation')
if not about[1] then return { 'unknown' } end
local revision, generation = tonumber(about[1]), tonumber(about[2])
if ARGV[1] ~= '' and ARGV[1] ~= etag(about[3], revision, generation) then
  return { 'mismatch', about[3], revision + generation }
end
redis.call('UNLINK', unpack(KEYS))
return { 'ok' }
