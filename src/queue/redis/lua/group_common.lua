-- What the scripts of consumer groups share; it stands before each of them.
--
-- A pending frame is "attempt state bytes@given holder message": `given` is when it was given to its holder (ms, 0 = to nobody).
-- States: h a member holds it, w it waits for a member, r it was rejected and waits, x it was rejected for good.
--
-- A member has `f:` frames and `b:` bytes as long as it holds any, or has a call; `s:` is the session of its call. Without one
-- it is away: its frames stay its own until their ack deadlines.
local ABOUT, POSITIONS, PENDING, DUE, MEMBERS, ALIVE, LETTERS, GAPS, UNTOLD, ENDED = unpack(KEYS)
local function text(number) return string.format('%.0f', number) end

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
  local held = false
  for member in pairs(members) do
    redis.call('ZREM', ALIVE, member)
    redis.call('HDEL', MEMBERS, 's:' .. member, 'c:' .. member, 'l:' .. member, 'p:' .. member)
    if tonumber(redis.call('HGET', MEMBERS, 'f:' .. member) or 0) > 0 then held = true else forget_member(member) end
  end
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
