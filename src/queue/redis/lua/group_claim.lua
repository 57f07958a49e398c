-- Delivers frames to a member: first those that are due again, then new ones.
--
-- KEYS: as in group_common.lua.
-- ARGV: member, session, revision, maximum frames and bytes of the member, maximum frames now, time
--       to live (ms), maximum due frames to consider, maximum exhausted ones, time to give them up
--       (ms), incarnation, "1" if the member's window also bounds its frames, number of gaps that
--       its client received; for each of these: stream, from, to; then for each stream with
--       candidates: id, "1" to start there, the position, entries lost before it, number of
--       candidates; and for each of these: sequence, bytes, "1" to skip, the sampler's state, and
--       the ranges that are skipped with it, as in group_common.lua.
-- Returns {"gone"}, {"replaced"}, {"lapsed"}, {"changed", revision}, or {"ok", generation, member's
-- frames, time to the next due frame (ms; -1 = none), deliveries, exhausted, streams, gaps}: a
-- delivery is {stream:sequence, attempt, deadline (ms), letter it was replayed from, generation of
-- its stream, time to the deadline (ms)}, an exhausted frame {stream:sequence, attempt, "1" if
-- rejected, message, letter}, a stream {word, position, sampler} with the words "at", "moved",
-- "unknown", "owned", "later"; gaps that were not sent are {stream, ranges}.
local PAUSE_MS = 500       -- minimum time between two increases of a window
local BUSY_MS = 2000       -- a member that answered within this time is expected to answer again
local PRESENT_MS = 3000    -- the same for claims: a member claims once a second
local NEIGHBOURS = 50      -- maximum number of members that are checked for room
local GAP_STREAMS = 16     -- maximum number of streams whose unsent gaps are returned at once
local BACK_MS = 1000       -- if the clock went back by less, stored times are not corrected

local me, session = ARGV[1], ARGV[2]
local max_frames, max_bytes, most = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local settle_ms = tonumber(ARGV[10])

local about = redis.call('HMGET', ABOUT, 'revision', 'generation', 'ack_ms', 'attempts', 'outstanding', 'affinity', 'incarnation',
  'clock')
if not about[1] or about[7] ~= ARGV[11] then return { 'gone' } end
local seat = redis.call('HMGET', MEMBERS, 's:' .. me, 'f:' .. me, 'b:' .. me, 'w:' .. me, 'g:' .. me)
if not seat[1] then return { 'lapsed' } end
if seat[1] ~= session then return { 'replaced' } end
if about[1] ~= ARGV[3] then return { 'changed', tonumber(about[1]) } end
local ack_ms, attempts, outstanding = tonumber(about[3]), tonumber(about[4]), tonumber(about[5])
local affine = about[6] == '1'
local my_frames, my_bytes = tonumber(seat[2]), tonumber(seat[3])
local window, grown = tonumber(seat[4] or 1), tonumber(seat[5] or 0)
local paced = ARGV[12] == '1' and not affine
if not paced then window = max_frames end

-- The first write: a Redis at its memory limit refuses it, and with it everything.
redis.call('ZADD', ALIVE, text(now + tonumber(ARGV[7])), me)

-- If the clock was set back, the times that were computed from it move back by as much.
local seen = tonumber(about[8] or 0)
if now + BACK_MS < seen then
  for _, times in ipairs({ DUE, ALIVE }) do
    local all = redis.call('ZRANGE', times, 0, -1, 'WITHSCORES')
    for i = 1, #all, 2 do
      if times ~= ALIVE or all[i] ~= me then
        redis.call('ZADD', times, text(tonumber(all[i + 1]) - (seen - now)), all[i])
      end
    end
  end
end
if now > seen or now + BACK_MS < seen then redis.call('HSET', ABOUT, 'clock', text(now)) end

local owners = {}
local function release(holder, size)
  if holder == me then
    my_frames, my_bytes = my_frames - 1, my_bytes - size
  else
    free(holder, size)
    owners = {}
  end
end

-- Members whose membership expired have left.
local over = redis.call('ZRANGEBYSCORE', ALIVE, '-inf', text(now))
if #over > 0 then
  local gone = {}
  for _, member in ipairs(over) do gone[member] = true end
  end_calls(gone, ack_ms)
end

-- Reports whether another member will soon claim the frames that this one leaves.
local function others_have_room()
  for _, member in ipairs(redis.call('ZRANDMEMBER', ALIVE, NEIGHBOURS)) do
    if member ~= me then
      local n = redis.call('HMGET', MEMBERS, 'f:' .. member, 'w:' .. member, 'p:' .. member, 'l:' .. member)
      local claimed, answered = tonumber(n[3] or 0), tonumber(n[4] or 0)
      if now - claimed < PRESENT_MS and claimed <= now
        and (tonumber(n[1] or 0) < tonumber(n[2] or 1) or (now - answered < BUSY_MS and answered <= now)) then
        return true
      end
    end
  end
  return false
end

local deliveries, exhausted, streams = {}, {}, {}
local function room(size)
  if #deliveries >= most or my_frames >= max_frames or (my_frames > 0 and my_bytes + size > max_bytes) then return false end
  if my_frames >= window and (now - grown >= PAUSE_MS or grown > now) then
    if others_have_room() then
      grown = now -- so that the next frames do not ask again
    else
      window, grown = window * 2, now
    end
  end
  return my_frames < window
end
local function owner_of(id)
  if owners[id] == nil then
    local owner = affine and redis.call('HGET', POSITIONS, 'o:' .. id)
    owners[id] = owner and redis.call('HEXISTS', MEMBERS, 'f:' .. owner) == 1 and owner or ''
  end
  return owners[id]
end
local function adopt(id)
  if affine and owner_of(id) ~= me then
    redis.call('HSET', POSITIONS, 'o:' .. id, me)
    owners[id] = me
    return true
  end
  return false
end
local generations = {}
local function give(key, id, attempt, size, message, letter)
  write(key, attempt, 'h', size, now, me, message)
  redis.call('ZADD', DUE, text(now + ack_ms), key)
  my_frames, my_bytes = my_frames + 1, my_bytes + size
  generations[id] = generations[id] or tonumber(redis.call('HGET', POSITIONS, 'g:' .. id) or about[2])
  deliveries[#deliveries + 1] = { key, attempt, now + ack_ms, letter, generations[id], ack_ms }
end

-- The ack deadlines of these frames have passed. All of them are released first, so that a stream
-- whose owner has left goes to another member with its frames in order.
local due = redis.call('ZRANGEBYSCORE', DUE, '-inf', text(now), 'LIMIT', 0, ARGV[8])
for _, key in ipairs(due) do
  local attempt, state, size, given, holder, message = read(redis.call('HGET', PENDING, key))
  if state == 'h' then
    release(holder, size)
    write(key, attempt, 'w', size, given, '', message)
  end
end
if affine then table.sort(due) end

local redelivered = 0
local has_replayed = redis.call('EXISTS', LETTERS) == 1
for _, key in ipairs(due) do
  local attempt, state, size, given, _, message = read(redis.call('HGET', PENDING, key))
  local id = string.match(key, '^([^:]+):')
  local owner = owner_of(id)
  local letter = has_replayed and redis.call('HGET', LETTERS, key) or ''
  if state == 'x' or attempt >= attempts then
    if #exhausted < tonumber(ARGV[9]) then
      exhausted[#exhausted + 1] = { key, attempt, state == 'x' and '1' or '0', message, letter }
      redis.call('ZADD', DUE, text(now + settle_ms), key)
    end
  elseif (owner == '' or owner == me) and room(size) then
    adopt(id)
    if attempt > 0 then redelivered = redelivered + 1 end
    give(key, id, attempt + 1, size, message, letter)
  end
end

local a = 14
for _ = 1, tonumber(ARGV[13]) do
  local from, to = tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2])
  take_runs(session .. ':' .. ARGV[a], function(first, last) return first >= from and last <= to end)
  a = a + 3
end
local gaps = {}
if redis.call('EXISTS', UNSENT) == 1 then
  for _, id in ipairs(redis.call('HRANDFIELD', UNSENT, GAP_STREAMS)) do
    local runs = redis.call('HGET', UNSENT, id)
    redis.call('HDEL', UNSENT, id)
    local mine = string.gsub(runs, '%-(%d+);', function(why)
      return '-' .. text(tonumber(why) % AGAIN + AGAIN) .. ';'
    end)
    local field = session .. ':' .. id
    redis.call('HSET', GAPS, field, (redis.call('HGET', GAPS, field) or '') .. mine)
    gaps[#gaps + 1] = { id, runs }
  end
end

local pending = redis.call('HLEN', PENDING)
local gap_runs = tonumber(redis.call('HGET', ABOUT, 'gap_runs') or 0)
local gap_runs_before = gap_runs
local acknowledged, lost, adopted = 0, 0, false
while a <= #ARGV do
  local id, begin, from, missing, count = ARGV[a], ARGV[a + 1] == '1', ARGV[a + 2], tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4])
  local first = a + 5
  a = first + count * 5
  local at = redis.call('HMGET', POSITIONS, 'n:' .. id, 'k:' .. id)
  local position, sampler = at[1], at[2] or ''
  if not position and begin then
    position = from
    redis.call('HSET', POSITIONS, 'n:' .. id, from, 'g:' .. id, about[2])
  end
  local owner = owner_of(id)
  if not position then
    streams[#streams + 1] = { 'unknown', 0, '' }
  elseif position ~= from then
    streams[#streams + 1] = { 'moved', tonumber(position), sampler }
  elseif owner ~= me and owner ~= '' then
    streams[#streams + 1] = { 'owned', tonumber(position), sampler }
  elseif affine and adopted and owner == '' then
    streams[#streams + 1] = { 'later', 0, '' }
  else
    local next, delivered = tonumber(position), 0
    local field, passed = session .. ':' .. id, nil
    for c = first, first + (count - 1) * 5, 5 do
      local seq, size = tonumber(ARGV[c]), tonumber(ARGV[c + 1])
      if ARGV[c + 4] ~= '' and gap_runs + count_runs(ARGV[c + 4]) > MAX_GAPS then
        break
      elseif ARGV[c + 2] == '1' then
        acknowledged = acknowledged + 1
      elseif pending >= outstanding or not room(size) then
        break
      else
        give(id .. ':' .. string.format('%016.0f', seq), id, 1, size, '', '')
        pending, delivered = pending + 1, seq
      end
      next, sampler = seq + 1, ARGV[c + 3]
      for from, to, why in string.gmatch(ARGV[c + 4], '(%d+)%-(%d+)%-(%d+);') do
        local grown
        passed, grown = add_run(passed or redis.call('HGET', GAPS, field) or '', tonumber(from), tonumber(to), tonumber(why))
        gap_runs = gap_runs + grown
      end
    end
    if passed then redis.call('HSET', GAPS, field, passed) end
    if next ~= tonumber(position) then
      lost = lost + missing
      redis.call('HSET', POSITIONS, 'n:' .. id, text(next))
      if sampler ~= '' then
        redis.call('HSET', POSITIONS, 'k:' .. id, sampler)
      elseif at[2] then
        redis.call('HDEL', POSITIONS, 'k:' .. id)
      end
      if delivered > 0 then
        redis.call('HSET', POSITIONS, 'd:' .. id, text(delivered))
        if adopt(id) then adopted = true end
      end
    end
    streams[#streams + 1] = { 'at', next, sampler }
  end
end

redis.call('HSET', MEMBERS, 'f:' .. me, text(my_frames), 'b:' .. me, text(my_bytes), 'w:' .. me,
  text(math.min(window, max_frames)), 'g:' .. me, text(grown), 'p:' .. me, text(now))
if redelivered > 0 then redis.call('HINCRBY', ABOUT, 'redelivered', redelivered) end
if acknowledged > 0 then redis.call('HINCRBY', ABOUT, 'acknowledged', acknowledged) end
if lost > 0 then redis.call('HINCRBY', ABOUT, 'lost', text(lost)) end
if gap_runs ~= gap_runs_before then redis.call('HSET', ABOUT, 'gap_runs', text(gap_runs)) end
local later = redis.call('ZRANGEBYSCORE', DUE, '(' .. text(now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
return { 'ok', tonumber(about[2]), my_frames, later[2] and tonumber(later[2]) - now or -1, deliveries, exhausted, streams,
  gaps }
