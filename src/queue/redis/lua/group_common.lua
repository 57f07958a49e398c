-- Shared code of the scripts of consumer groups; it precedes each of them.
--
-- A pending frame is "attempt state bytes@given holder message": `given` is the time at which
-- it was delivered to its holder (ms, 0 = to nobody). States: h a member holds it, w it waits for a
-- member, r it was rejected and waits, x it was rejected for good.
--
-- In MEMBERS, `f:` is the number of a member's frames and `b:` that of their bytes, as long as it
-- has frames or a call; `s:` is the session of its call. A member without a call has left: it keeps
-- its frames until their ack deadlines.
local ABOUT, POSITIONS, PENDING, DUE, MEMBERS, ALIVE, LETTERS, GAPS, UNSENT, ENDED = unpack(KEYS)
local function text(number) return string.format('%.0f', number) end

-- Returns a group's etag: every change of the settings and every seek raises its version by one.
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

-- Gaps are ranges of sequences, stored as "from-to-reason;" one after the other. GAPS has those
-- that a call must send, by its session and the stream; UNSENT has those that no call has taken, by
-- stream. AGAIN is added to the reason of a range that another session had before.
local AGAIN = 1000
local LONGEST_RUN = 64   -- an upper bound of the length of one range
local MAX_GAPS = 10000 -- maximum number of ranges of a group; at the maximum, its streams wait

local function count_runs(value)
  local _, count = string.gsub(value, ';', '')
  return count
end

-- Adds a range to a text of ranges; returns the text, and by how many ranges it grew. A range that
-- continues the last one extends it.
local function add_run(value, from, to, reason)
  local first, last, why = string.match(string.sub(value, -LONGEST_RUN), '(%d+)%-(%d+)%-(%d+);$')
  if first and tonumber(last) + 1 == from and tonumber(why) == reason then
    local tail = #first + #last + #why + 3
    return string.sub(value, 1, #value - tail) .. first .. '-' .. text(to) .. '-' .. why .. ';', 0
  end
  return value .. text(from) .. '-' .. text(to) .. '-' .. text(reason) .. ';', 1
end

local function add_unsent(id, from, to, reason)
  local value, grown = add_run(redis.call('HGET', UNSENT, id) or '', from, to, reason)
  redis.call('HSET', UNSENT, id, value)
  if grown > 0 then redis.call('HINCRBY', ABOUT, 'gap_runs', grown) end
end

-- Removes from a field of GAPS the ranges for which `is_taken` returns true.
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

-- Makes the gaps that sessions may not have sent available to all.
local function abandon(sessions)
  for _, field in ipairs(redis.call('HKEYS', GAPS)) do
    local session, id = string.match(field, '^(%d+):(.*)$')
    if sessions[session] then
      redis.call('HSET', UNSENT, id, (redis.call('HGET', UNSENT, id) or '') .. redis.call('HGET', GAPS, field))
      redis.call('HDEL', GAPS, field)
    end
  end
end

local function forget_member(member)
  redis.call('HDEL', MEMBERS, 's:' .. member, 'c:' .. member, 'f:' .. member, 'b:' .. member, 'w:' .. member,
    'g:' .. member, 'l:' .. member, 'p:' .. member)
end

-- Notes that a member has one frame less. A member that has left is forgotten with its last frame.
local function free(holder, size)
  if redis.call('HEXISTS', MEMBERS, 'f:' .. holder) == 0 then return end
  local left = redis.call('HINCRBY', MEMBERS, 'f:' .. holder, -1)
  redis.call('HINCRBY', MEMBERS, 'b:' .. holder, text(0 - size))
  if left <= 0 and redis.call('HEXISTS', MEMBERS, 's:' .. holder) == 0 then forget_member(holder) end
end

-- Ends the calls of members. The members keep their frames until the frames' deadlines, for at most
-- one ack deadline.
local function end_calls(members, ack_ms)
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

-- Removes a frame.
local function drop(key)
  redis.call('HDEL', PENDING, key)
  redis.call('ZREM', DUE, key)
  redis.call('HDEL', LETTERS, key)
  redis.call('ZREM', ENDED, key)
end
