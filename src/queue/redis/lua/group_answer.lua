-- Applies members' answers to deliveries; each is decided by itself.
-- KEYS: as in group_common.lua.
-- ARGV: time to give an exhausted frame up (ms); the time above which a frame is slow, and the
--       maximum window; then for each answer: action ("a" acknowledge, "r" retry, "g" give up, "e"
--       extend), stream, sequence (16 digits), attempt, generation, incarnation, span (ms; "" = the
--       group's own), message.
-- Returns nil without a group, else for each: {"done", deadline (ms; 0 = none)}, {"before"},
-- {"stale"}, {"rejected"} for an extension, {"ended", how (group_remove.lua)}, or {"exhausted",
-- attempt, "1" if rejected for good, message, letter it was replayed from}.
local about = redis.call('HMGET', ABOUT, 'incarnation', 'ack_ms', 'attempts', 'min_ms', 'max_ms')
if not about[1] then return false end
local ack_ms, attempts = tonumber(about[2]), tonumber(about[3])
local min_ms, max_ms = tonumber(about[4]), math.max(tonumber(about[4]), tonumber(about[5]))
local slow_ms, most_window = tonumber(ARGV[2]), tonumber(ARGV[3])

-- The first write, of a field that never exists: a Redis at its memory limit allows it and what
-- follows.
redis.call('HDEL', ABOUT, '-')
local answers, acknowledged = {}, 0

-- A member's window is the number of frames that it handles in about a second: it grows with each
-- frame that is acknowledged soon while the member uses its window, and shrinks with each slow
-- frame while the group has other members.
local function note_pace(member, given)
  local seat = redis.call('HMGET', MEMBERS, 'f:' .. member, 'w:' .. member)
  if not seat[1] then return end
  local frames, window = tonumber(seat[1]), tonumber(seat[2] or 1)
  local took = math.max(0, now - given)
  if took * 4 <= slow_ms and frames * 2 >= window then
    window = math.min(most_window, window + 1)
  elseif took > slow_ms and redis.call('ZCARD', ALIVE) > 1 then
    window = math.max(1, math.floor(window * slow_ms / took))
  end
  redis.call('HSET', MEMBERS, 'w:' .. member, text(window), 'l:' .. member, text(now))
end

local has_gaps = redis.call('EXISTS', GAPS) == 1

for a = 4, #ARGV, 8 do
  local verdict, id, seq = ARGV[a], ARGV[a + 1], ARGV[a + 2]
  local span, message = ARGV[a + 6], ARGV[a + 7]
  local key = id .. ':' .. seq
  local at = redis.call('HMGET', POSITIONS, 'n:' .. id, 'g:' .. id)
  local entry = redis.call('HGET', PENDING, key)
  local answer
  if not at[1] or ARGV[a + 5] ~= about[1] or tonumber(ARGV[a + 4]) < tonumber(at[2]) then
    answer = { 'stale' }
  elseif not entry then
    local ended = redis.call('ZSCORE', ENDED, key)
    if ended then
      answer = { 'ended', tonumber(ended) % 4 }
    else -- a replayed frame may be after the group's position
      answer = { tonumber(seq) >= tonumber(at[1]) and 'stale' or 'before' }
    end
  else
    local attempt, state, size, given, holder = read(entry)
    if text(attempt) ~= ARGV[a + 3] then
      answer = { 'stale' }
    elseif verdict == 'a' then
      drop(key)
      if state == 'h' then
        note_pace(holder, given)
        local session = has_gaps and redis.call('HGET', MEMBERS, 's:' .. holder)
        if session then
          -- The gaps of its stream below it were sent before it, in the same call.
          take_runs(session .. ':' .. id, function(_, last, why) return why < AGAIN and last < tonumber(seq) end)
        end
        free(holder, size)
      end
      acknowledged = acknowledged + 1
      answer = { 'done', 0 }
    elseif verdict == 'e' then
      if state == 'r' or state == 'x' then
        answer = { 'rejected' }
      else -- if no member has the frame any more, this delays its next delivery
        local due = now + (span == '' and ack_ms or tonumber(span))
        redis.call('ZADD', DUE, text(due), key)
        answer = { 'done', due }
      end
    elseif state == 'x' or (state == 'r' and verdict ~= 'g') then
      answer = { 'done', 0 } -- it was rejected before: only giving it up still has an effect
    else
      local given_up = verdict == 'g'
      local wait, after = 0, given_up and 'x' or 'r'
      if given_up or attempt >= attempts then
        wait = tonumber(ARGV[1])
        answer = { 'exhausted', attempt, given_up and '1' or '0', message, redis.call('HGET', LETTERS, key) or '' }
      else
        wait = span == '' and math.min(max_ms, min_ms * 2 ^ (attempt - 1)) or tonumber(span)
        answer = { 'done', 0 }
      end
      write(key, attempt, after, size, given, '', message)
      redis.call('ZADD', DUE, text(now + wait), key)
      if state == 'h' then
        -- The member has room again; its window does not change.
        if redis.call('HEXISTS', MEMBERS, 'f:' .. holder) == 1 then
          redis.call('HSET', MEMBERS, 'l:' .. holder, text(now))
        end
        free(holder, size)
      end
    end
  end
  answers[#answers + 1] = answer
end
if acknowledged > 0 then redis.call('HINCRBY', ABOUT, 'acknowledged', acknowledged) end
return answers
