-- Takes members' answers to deliveries, each decided by itself.
-- KEYS: about, positions, pending, due, members, letters.
-- ARGV: time to settle an exhausted frame (ms); then for each answer: verdict ("a" acknowledge, "r" retry, "g" give up,
--       "e" extend), stream, sequence (16 digits), attempt, generation, incarnation, span (ms; "" = the group's own), message.
-- Answers nil without a group, else for each: {"done", deadline (ms; 0 = none)}, {"before"}, {"stale"}, or
-- {"exhausted", attempt, "1" if rejected for good, message, letter it was replayed from}.
local function text(number) return string.format('%.0f', number) end
local about = redis.call('HMGET', KEYS[1], 'incarnation', 'ack_ms', 'attempts', 'min_ms', 'max_ms')
if not about[1] then return false end
local ack_ms, attempts = tonumber(about[2]), tonumber(about[3])
local min_ms, max_ms = tonumber(about[4]), math.max(tonumber(about[4]), tonumber(about[5]))
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- The first write, of a field that is never there: a Redis at its memory limit allows it and what follows.
redis.call('HDEL', KEYS[1], '-')
local answers, acknowledged = {}, 0
for a = 2, #ARGV, 8 do
  local verdict, id, seq, attempt = ARGV[a], ARGV[a + 1], ARGV[a + 2], ARGV[a + 3]
  local span, message = ARGV[a + 6], ARGV[a + 7]
  local key = id .. ':' .. seq
  local at = redis.call('HMGET', KEYS[2], 'n:' .. id, 'g:' .. id)
  local entry = redis.call('HGET', KEYS[3], key)
  local answer
  if not at[1] or ARGV[a + 5] ~= about[1] or tonumber(ARGV[a + 4]) < tonumber(at[2])
    or (not entry and tonumber(seq) >= tonumber(at[1])) then -- one that was replayed may lie ahead of the group
    answer = { 'stale' }
  elseif not entry then
    answer = { 'before' }
  else
    local current, state, size, holder, reason = string.match(entry, '^(%d+) (%a) (%d+) (%S*) (.*)$')
    local function free()
      if state == 'h' and redis.call('HEXISTS', KEYS[5], 's:' .. holder) == 1 then
        redis.call('HINCRBY', KEYS[5], 'f:' .. holder, -1)
        redis.call('HINCRBY', KEYS[5], 'b:' .. holder, text(0 - tonumber(size)))
      end
    end
    if current ~= attempt then
      answer = { 'stale' }
    elseif verdict == 'a' then
      redis.call('HDEL', KEYS[3], key)
      redis.call('ZREM', KEYS[4], key)
      redis.call('HDEL', KEYS[6], key)
      free()
      acknowledged = acknowledged + 1
      answer = { 'done', 0 }
    elseif verdict == 'e' then
      if state ~= 'h' then
        answer = { 'stale' }
      else
        local due = now + (span == '' and ack_ms or tonumber(span))
        redis.call('ZADD', KEYS[4], text(due), key)
        answer = { 'done', due }
      end
    elseif state == 'x' or (state == 'w' and verdict ~= 'g') then
      answer = { 'done', 0 } -- rejected before, or nobody has it: it comes again; giving it up holds also then
    else
      local given_up = verdict == 'g'
      local wait, after = 0, 'w'
      if given_up or tonumber(attempt) >= attempts then
        wait, after = tonumber(ARGV[1]), given_up and 'x' or 'w'
        answer = { 'exhausted', tonumber(attempt), given_up and '1' or '0', message, redis.call('HGET', KEYS[6], key) or '' }
      else
        wait = span == '' and math.min(max_ms, min_ms * 2 ^ (tonumber(attempt) - 1)) or tonumber(span)
        answer = { 'done', 0 }
      end
      redis.call('HSET', KEYS[3], key, attempt .. ' ' .. after .. ' ' .. size .. '  ' .. message)
      redis.call('ZADD', KEYS[4], text(now + wait), key)
      free()
    end
  end
  answers[#answers + 1] = answer
end
if acknowledged > 0 then redis.call('HINCRBY', KEYS[1], 'acknowledged', acknowledged) end
return answers
