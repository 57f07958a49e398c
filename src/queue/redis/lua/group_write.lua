-- Makes a consumer group, changes it, moves it, or has it forget streams. All keys of a group share its hash tag.
-- KEYS: about, positions, pending, due, members, letters.
-- ARGV: what ("create", "update", "seek", "drop"), expected revision or "", settings, ack deadline (ms), most attempts,
--       most outstanding frames, affinity, shortest and longest back-off (ms), incarnation; then for each stream: id, the
--       new position ("" = forget the stream).
-- Answers {"ok"}, {"exists"}, {"unknown"} or {"stale", revision}.
local function text(number) return string.format('%.0f', number) end
local what = ARGV[1]
local about = redis.call('HMGET', KEYS[1], 'revision', 'generation')
local revision, generation = tonumber(about[1] or 0), tonumber(about[2] or 0)
if what == 'create' then
  if about[1] then return { 'exists' } end
elseif not about[1] then
  return { 'unknown' }
elseif ARGV[2] ~= '' and ARGV[2] ~= about[1] then
  return { 'stale', revision }
end
local clock = redis.call('TIME')
local now = text(clock[1] * 1000000 + clock[2])

if what == 'create' or what == 'update' then
  redis.call('HSET', KEYS[1], 'settings', ARGV[3], 'ack_ms', ARGV[4], 'attempts', ARGV[5], 'outstanding', ARGV[6],
    'affinity', ARGV[7], 'min_ms', ARGV[8], 'max_ms', ARGV[9], 'revision', text(revision + 1), 'updated', now)
end
if what == 'create' then
  generation = 1
  redis.call('HSET', KEYS[1], 'generation', '1', 'incarnation', ARGV[10], 'created', now)
elseif what == 'seek' then
  generation = generation + 1
  redis.call('HSET', KEYS[1], 'generation', text(generation))
end

local chosen = {}
for a = 11, #ARGV, 2 do
  local id, next = ARGV[a], ARGV[a + 1]
  -- An update begins where there is no position, and moves none.
  if what ~= 'update' or next == '' or redis.call('HEXISTS', KEYS[2], 'n:' .. id) == 0 then
    chosen[id] = true
    redis.call('HDEL', KEYS[2], 'd:' .. id, 'k:' .. id)
    if next == '' then
      redis.call('HDEL', KEYS[2], 'n:' .. id, 'g:' .. id, 'o:' .. id)
    else
      redis.call('HSET', KEYS[2], 'n:' .. id, next, 'g:' .. id, text(generation))
    end
  end
end
local lost = 0
if what ~= 'create' and #ARGV >= 11 then
  local all = redis.call('HGETALL', KEYS[3])
  for i = 1, #all, 2 do
    if chosen[string.match(all[i], '^([^:]+):')] then
      local _, state, size, holder = string.match(all[i + 1], '^(%d+) (%a) (%d+) (%S*) ')
      if state == 'h' and redis.call('HEXISTS', KEYS[5], 's:' .. holder) == 1 then
        redis.call('HINCRBY', KEYS[5], 'f:' .. holder, -1)
        redis.call('HINCRBY', KEYS[5], 'b:' .. holder, text(0 - tonumber(size)))
      end
      redis.call('HDEL', KEYS[3], all[i])
      redis.call('ZREM', KEYS[4], all[i])
      redis.call('HDEL', KEYS[6], all[i])
      lost = lost + 1
    end
  end
end
-- A dropped stream's output is gone, also for those who had not acknowledged it.
if what == 'drop' and lost > 0 then redis.call('HINCRBY', KEYS[1], 'lost', lost) end
return { 'ok' }
