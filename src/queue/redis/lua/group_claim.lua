-- Gives frames to a member: first those that are due again, then new ones.
--
-- KEYS: about, positions, pending, due, members, alive, letters.
-- ARGV: member, session, revision, most frames and bytes of the member, most frames now, time to live (ms), most due frames
--       looked at, most exhausted ones, time to settle them (ms), incarnation; then for each offered stream: id, "1" to begin there, the
--       position, entries lost before it, candidates; and for each of these: sequence, bytes, "1" to skip, mark.
-- Answers {"gone"}, {"replaced"}, {"lapsed"}, {"changed", revision}, or
-- {"ok", generation, member's frames, time to the next due frame (ms; -1 = none), deliveries, exhausted, streams}:
-- a delivery is {stream:sequence, attempt, deadline (ms), letter it was replayed from}, an exhausted frame {stream:sequence,
-- attempt, "1" if rejected, message, letter}, a stream {word, position, mark} with the words "at", "moved", "unknown",
-- "owned", "later".
--
-- A pending frame is "attempt state bytes holder message"; the states: h held, w waiting, x rejected for good.
local function text(number) return string.format('%.0f', number) end
local me, session = ARGV[1], ARGV[2]
local max_frames, max_bytes, most = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local settle_ms = tonumber(ARGV[10])

local about = redis.call('HMGET', KEYS[1], 'revision', 'generation', 'ack_ms', 'attempts', 'outstanding', 'affinity', 'incarnation')
if not about[1] or about[7] ~= ARGV[11] then return { 'gone' } end
local seat = redis.call('HMGET', KEYS[5], 's:' .. me, 'f:' .. me, 'b:' .. me)
if not seat[1] then return { 'lapsed' } end
if seat[1] ~= session then return { 'replaced' } end
if about[1] ~= ARGV[3] then return { 'changed', tonumber(about[1]) } end
local ack_ms, attempts, outstanding = tonumber(about[3]), tonumber(about[4]), tonumber(about[5])
local affine = about[6] == '1'
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local my_frames, my_bytes = tonumber(seat[2]), tonumber(seat[3])

-- The first write: a Redis at its memory limit refuses it, and so all.
redis.call('ZADD', KEYS[6], text(now + tonumber(ARGV[7])), me)

local function free(holder, size)
  if holder == me then
    my_frames, my_bytes = my_frames - 1, my_bytes - size
  elseif redis.call('HEXISTS', KEYS[5], 's:' .. holder) == 1 then
    redis.call('HINCRBY', KEYS[5], 'f:' .. holder, -1)
    redis.call('HINCRBY', KEYS[5], 'b:' .. holder, text(0 - size))
  end
end

-- Members whose time is over let go.
local over = redis.call('ZRANGEBYSCORE', KEYS[6], '-inf', text(now))
if #over > 0 then
  local gone = {}
  for _, member in ipairs(over) do
    gone[member] = true
    redis.call('HDEL', KEYS[5], 's:' .. member, 'c:' .. member, 'f:' .. member, 'b:' .. member)
    redis.call('ZREM', KEYS[6], member)
  end
  local all = redis.call('HGETALL', KEYS[3])
  for i = 1, #all, 2 do
    local attempt, state, size, holder, message = string.match(all[i + 1], '^(%d+) (%a) (%d+) (%S*) (.*)$')
    if state == 'h' and gone[holder] then
      redis.call('HSET', KEYS[3], all[i], attempt .. ' w ' .. size .. '  ' .. message)
      redis.call('ZADD', KEYS[4], text(now), all[i])
    end
  end
end

local deliveries, exhausted, streams = {}, {}, {}
local function room(size)
  return #deliveries < most and my_frames < max_frames and (my_frames == 0 or my_bytes + size <= max_bytes)
end
local owners = {}
local function owner_of(id)
  if owners[id] == nil then
    local owner = affine and redis.call('HGET', KEYS[2], 'o:' .. id)
    owners[id] = owner and redis.call('ZSCORE', KEYS[6], owner) and owner or ''
  end
  return owners[id]
end
local function adopt(id)
  if affine and owner_of(id) ~= me then
    redis.call('HSET', KEYS[2], 'o:' .. id, me)
    owners[id] = me
    return true
  end
  return false
end
local function give(key, attempt, size, message, letter)
  redis.call('HSET', KEYS[3], key, text(attempt) .. ' h ' .. text(size) .. ' ' .. me .. ' ' .. message)
  redis.call('ZADD', KEYS[4], text(now + ack_ms), key)
  my_frames, my_bytes = my_frames + 1, my_bytes + size
  deliveries[#deliveries + 1] = { key, attempt, now + ack_ms, letter }
end

local redelivered = 0
local has_replayed = redis.call('EXISTS', KEYS[7]) == 1
for _, key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', text(now), 'LIMIT', 0, ARGV[8])) do
  local attempt, state, size, holder, message = string.match(redis.call('HGET', KEYS[3], key), '^(%d+) (%a) (%d+) (%S*) (.*)$')
  attempt, size = tonumber(attempt), tonumber(size)
  if state == 'h' then -- whoever has it has run out of time
    free(holder, size)
    redis.call('HSET', KEYS[3], key, text(attempt) .. ' w ' .. text(size) .. '  ' .. message)
  end
  local id = string.match(key, '^([^:]+):')
  local owner = owner_of(id)
  local letter = has_replayed and redis.call('HGET', KEYS[7], key) or ''
  if state == 'x' or attempt >= attempts then
    if #exhausted < tonumber(ARGV[9]) then
      exhausted[#exhausted + 1] = { key, attempt, state == 'x' and '1' or '0', message, letter }
      redis.call('ZADD', KEYS[4], text(now + settle_ms), key)
    end
  elseif (owner == '' or owner == me) and room(size) then
    adopt(id)
    if attempt > 0 then redelivered = redelivered + 1 end
    give(key, attempt + 1, size, message, letter)
  end
end

local pending = redis.call('HLEN', KEYS[3])
local acknowledged, lost, adopted = 0, 0, false
local a = 12
while a <= #ARGV do
  local id, begin, from, missing, count = ARGV[a], ARGV[a + 1] == '1', ARGV[a + 2], tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4])
  local first = a + 5
  a = first + count * 4
  local at = redis.call('HMGET', KEYS[2], 'n:' .. id, 'k:' .. id)
  local position, mark = at[1], at[2] or ''
  if not position and begin then
    position = from
    redis.call('HSET', KEYS[2], 'n:' .. id, from, 'g:' .. id, about[2])
  end
  local owner = owner_of(id)
  if not position then
    streams[#streams + 1] = { 'unknown', 0, '' }
  elseif position ~= from then
    streams[#streams + 1] = { 'moved', tonumber(position), mark }
  elseif owner ~= me and owner ~= '' then
    streams[#streams + 1] = { 'owned', tonumber(position), mark }
  elseif affine and adopted and owner == '' then
    streams[#streams + 1] = { 'later', 0, '' }
  else
    local next, delivered = tonumber(position), 0
    for c = first, first + (count - 1) * 4, 4 do
      local seq, size = tonumber(ARGV[c]), tonumber(ARGV[c + 1])
      if ARGV[c + 2] == '1' then
        acknowledged = acknowledged + 1
      elseif pending >= outstanding or not room(size) then
        break
      else
        give(id .. ':' .. string.format('%016.0f', seq), 1, size, '', '')
        pending, delivered = pending + 1, seq
      end
      next, mark = seq + 1, ARGV[c + 3]
    end
    if next ~= tonumber(position) then
      lost = lost + missing
      redis.call('HSET', KEYS[2], 'n:' .. id, text(next))
      if mark ~= '' then redis.call('HSET', KEYS[2], 'k:' .. id, mark) end
      if delivered > 0 then
        redis.call('HSET', KEYS[2], 'd:' .. id, text(delivered))
        if adopt(id) then adopted = true end
      end
    end
    streams[#streams + 1] = { 'at', next, mark }
  end
end

redis.call('HSET', KEYS[5], 'f:' .. me, text(my_frames), 'b:' .. me, text(my_bytes))
if redelivered > 0 then redis.call('HINCRBY', KEYS[1], 'redelivered', redelivered) end
if acknowledged > 0 then redis.call('HINCRBY', KEYS[1], 'acknowledged', acknowledged) end
if lost > 0 then redis.call('HINCRBY', KEYS[1], 'lost', text(lost)) end
local later = redis.call('ZRANGEBYSCORE', KEYS[4], '(' .. text(now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
return { 'ok', tonumber(about[2]), my_frames, later[2] and tonumber(later[2]) - now or -1, deliveries, exhausted, streams }
