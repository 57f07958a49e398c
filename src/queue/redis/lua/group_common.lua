-- What the scripts of consumer groups share; it stands before each of them.
--
-- A pending frame is "attempt state bytes@given holder message": `given` is when it was given to its holder (ms, 0 = to nobody).
-- States: h a member holds it, w it waits for a member, r it was rejected and waits, x it was rejected for good.
--
-- A member has `f:` frames and `b:` bytes as long as it holds any, or has a call; `s:` is the session of its call. Without one
-- it is away: its frames stay its own until their ack deadlines.
local ABOUT, POSITIONS, PENDING, DUE, MEMBERS, ALIVE, LETTERS, GAPS, UNTOLD, ENDED = unpack(KEYS)
local function text(number) return string.format('%.0f', number) end

-- A group's etag: every change of the settings and every seek raises its version by one.
local function etag(incarnation, revision, generation) return incarnation .. '-' .. text(revision + generation) end

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function read(entry)
  local attempt, state, size, given, holder, message = string.match(entry, '^(%d+) (%a) (%d+)@?(%d*) (%S*) (.*)$')
  return tonumber(attempt), state, tonumber(size), tonumber(given) or 0, holder, message
end

local function write(key, attempt, state, size, given, holder, message)
  redis.call('HSET', PENDING, key,
    text(attempt) .. ' ' .. state .. ' ' .. text(size) .. '@' .. text(given) .. ' ' .. holder .. ' ' .. message)
end

-- Gaps are runs of numbers, "from-to-reason;" one after the other: in GAPS by the session whose call tells them and the stream, in
-- UNTOLD by the stream, told by nobody. A reason from AGAIN on is of a run that was another session's before.
local AGAIN = 1000
local LONGEST_RUN = 64   -- characters of one, at least
local MAX_GAPS = 10000 -- runs of a group; beyond, its streams wait until some are taken

local function count_runs(value)
  local _, count = string.gsub(value, ';', '')
  return count
end

-- Adds runs to a text of such; answers it, and by how many it grew. What goes on where the text ends makes it no longer.
local function add_run(value, from, to, reason)
  local first, last, why = string.match(string.sub(value, -LONGEST_RUN), '(%d+)%-(%d+)%-(%d+);$')
  if first and tonumber(last) + 1 == from and tonumber(why) == reason then
    local tail = #first + #last + #why + 3
    return string.sub(value, 1, #value - tail) .. first .. '-' .. text(to) .. '-' .. why .. ';', 0
  end
  return value .. text(from) .. '-' .. text(to) .. '-' .. text(reason) .. ';', 1
end

local function add_untold(id, from, to, reason)
  local value, grown = add_run(redis.call('HGET', UNTOLD, id) or '', from, to, reason)
  redis.call('HSET', UNTOLD, id, value)
  if grown > 0 then redis.call('HINCRBY', ABOUT, 'gap_runs', grown) end
end

-- Takes runs off a field of GAPS: those that `is_taken` says so of.
local function take_runs(field, is_taken)
  local value = redis.call('HGET', GAPS, field)
  if not value then return end
  local kept, taken = {}, 0
  for first, last, why in string.gmatch(value, '(%d+)%-(%d+)%-(%d+);') do
    if is_taken(tonumber(first), tonumber(last), tonumber(why)) then
      taken = taken + 1
    else
      kept[#kept + 1] = first .. '-' .. last .. '-' .. why .. ';'
    end
  end
  if #kept == 0 then
    redis.call('HDEL', GAPS, field)
  elseif taken > 0 then
    redis.call('HSET', GAPS, field, table.concat(kept))
  end
  if taken > 0 then redis.call('HINCRBY', ABOUT, 'gap_runs', text(0 - taken)) end
end

-- What sessions had to tell, and may not have told, is nobody's.
local function abandon(sessions)
  for _, field in ipairs(redis.call('HKEYS', GAPS)) do
    local session, id = string.match(field, '^(%d+):(.*)$')
    if sessions[session] then
      redis.call('HSET', UNTOLD, id, (redis.call('HGET', UNTOLD, id) or '') .. redis.call('HGET', GAPS, field))
      redis.call('HDEL', GAPS, field)
    end
  end
end

local function forget_member(member)
  redis.call('HDEL', MEMBERS, 's:' .. member, 'c:' .. member, 'f:' .. member, 'b:' .. member, 'w:' .. member,
    'g:' .. member, 'l:' .. member, 'p:' .. member)
end

-- A member has a frame less. One that is away is forgotten with its last frame.
local function free(holder, size)
  if redis.call('HEXISTS', MEMBERS, 'f:' .. holder) == 0 then return end
  local left = redis.call('HINCRBY', MEMBERS, 'f:' .. holder, -1)
  redis.call('HINCRBY', MEMBERS, 'b:' .. holder, text(0 - size))
  if left <= 0 and redis.call('HEXISTS', MEMBERS, 's:' .. holder) == 0 then forget_member(holder) end
end

-- Ends the calls of members: their frames stay their own until the deadlines, or for one ack deadline, whichever is sooner.
local function go_away(members, ack_ms)
  local held, sessions = false, {}
  for member in pairs(members) do
    sessions[redis.call('HGET', MEMBERS, 's:' .. member) or ''] = true
    redis.call('ZREM', ALIVE, member)
    redis.call('HDEL', MEMBERS, 's:' .. member, 'c:' .. member, 'l:' .. member, 'p:' .. member)
    if tonumber(redis.call('HGET', MEMBERS, 'f:' .. member) or 0) > 0 then held = true else forget_member(member) end
  end
  abandon(sessions)
  if not held then return end
  local all = redis.call('HGETALL', PENDING)
  for i = 1, #all, 2 do
    local _, state, _, _, holder = read(all[i + 1])
    if state == 'h' and members[holder] and tonumber(redis.call('ZSCORE', DUE, all[i])) > now + ack_ms then
      redis.call('ZADD', DUE, text(now + ack_ms), all[i])
    end
  end
end

-- Takes a frame off.
local function drop(key)
  redis.call('HDEL', PENDING, key)
  redis.call('ZREM', DUE, key)
  redis.call('HDEL', LETTERS, key)
  redis.call('ZREM', ENDED, key)
end
