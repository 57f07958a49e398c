-- Creates a consumer group, changes it, moves it, or makes it forget streams. All keys of a group
-- share its hash tag.
-- KEYS: as in group_common.lua.
-- ARGV: what ("create", "update", "seek", "drop"), expected etag or "", settings, ack deadline
--       (ms), maximum attempts, maximum outstanding frames, affinity, minimum and maximum back-off
--       (ms), incarnation and start of a new one; then for each stream: id, the new position ("" =
--       forget the stream), and, with "drop", one text: the last removed sequence ("" = unknown), a
--       space, and the reason of the gaps over frames that were not acknowledged; else "".
-- Returns {"ok"}, {"exists"}, {"unknown"} or {"mismatch", incarnation, version}: see
-- group_common.lua.
local what = ARGV[1]
local about = redis.call('HMGET', ABOUT, 'revision', 'generation', 'incarnation')
local revision, generation = tonumber(about[1] or 0), tonumber(about[2] or 0)
if what == 'create' then
  if about[1] then return { 'exists' } end
elseif not about[1] then
  return { 'unknown' }
elseif ARGV[2] ~= '' and ARGV[2] ~= etag(about[3], revision, generation) then
  return { 'mismatch', about[3], revision + generation }
end
local micros = text(clock[1] * 1000000 + clock[2])

if what == 'create' or what == 'update' then
  redis.call('HSET', ABOUT, 'settings', ARGV[3], 'ack_ms', ARGV[4], 'attempts', ARGV[5], 'outstanding', ARGV[6],
    'affinity', ARGV[7], 'min_ms', ARGV[8], 'max_ms', ARGV[9], 'revision', text(revision + 1), 'updated', micros)
end
if what == 'create' then
  generation = 1
  redis.call('HSET', ABOUT, 'generation', '1', 'incarnation', ARGV[10], 'start', ARGV[11], 'created', micros)
elseif what == 'seek' then
  generation = generation + 1
  redis.call('HSET', ABOUT, 'generation', text(generation))
end

local chosen = {}
for a = 12, #ARGV, 3 do
  local id, next = ARGV[a], ARGV[a + 1]
  local holds = true
  if what == 'drop' then
    local at, head, why = tonumber(redis.call('HGET', POSITIONS, 'n:' .. id)), string.match(ARGV[a + 2], '^(%d*) (%d+)$')
    head = tonumber(head)
    -- A group that has advanced further already reads frames from after the removal. If too many
    -- gaps wait to be sent, the position is kept for now.
    holds = at and not (head and at > head + 1)
      and tonumber(redis.call('HGET', ABOUT, 'gap_runs') or 0) < MAX_GAPS
    if holds then
      local lost = {}
      for _, key in ipairs(redis.call('HKEYS', PENDING)) do
        local stream, seq = string.match(key, '^([^:]+):(.*)$')
        if stream == id then lost[#lost + 1] = tonumber(seq) end
      end
      table.sort(lost)
      for _, seq in ipairs(lost) do
        if seq < at then add_unsent(id, seq, seq, tonumber(why)) end
      end
      if head and at <= head then add_unsent(id, at, head, tonumber(why)) end
    end
  end
  -- An update sets positions only where there are none.
  if holds and (what ~= 'update' or next == '' or redis.call('HEXISTS', POSITIONS, 'n:' .. id) == 0) then
    chosen[id] = true
    redis.call('HDEL', POSITIONS, 'd:' .. id, 'k:' .. id)
    if next == '' then
      redis.call('HDEL', POSITIONS, 'n:' .. id, 'g:' .. id, 'o:' .. id)
    else
      redis.call('HSET', POSITIONS, 'n:' .. id, next, 'g:' .. id, text(generation))
    end
  end
end
local lost = 0
if what ~= 'create' and #ARGV >= 12 then
  if what ~= 'drop' then -- the group reads these streams again, or no longer
    for _, hash in ipairs({ GAPS, UNSENT }) do
      for _, field in ipairs(redis.call('HKEYS', hash)) do
        if chosen[string.match(field, '([^:]+)$')] then
          redis.call('HINCRBY', ABOUT, 'gap_runs', text(0 - count_runs(redis.call('HGET', hash, field))))
          redis.call('HDEL', hash, field)
        end
      end
    end
  end
  local all = redis.call('HGETALL', PENDING)
  for i = 1, #all, 2 do
    if chosen[string.match(all[i], '^([^:]+):')] then
      local _, state, size, _, holder = read(all[i + 1])
      drop(all[i])
      if state == 'h' then free(holder, size) end
      lost = lost + 1
    end
  end
end
-- Frames of a dropped stream that were not acknowledged are lost, since its output is removed.
if what == 'drop' and lost > 0 then redis.call('HINCRBY', ABOUT, 'lost', lost) end
return { 'ok' }
