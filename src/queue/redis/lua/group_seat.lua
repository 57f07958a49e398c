-- Takes, keeps or gives up a member's seat.
-- KEYS: about, pending, due, members, alive.
-- ARGV: what ("join", "keep", "leave"), member, session, time to live (ms), most members; with "leave", then the frames
--       ("stream:sequence") that were never sent.
-- Answers {"ok"}, {"gone"}, {"replaced"} or {"full"}.
local function text(number) return string.format('%.0f', number) end
local what, me, session = ARGV[1], ARGV[2], ARGV[3]
if redis.call('EXISTS', KEYS[1]) == 0 then return { 'gone' } end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local seated = redis.call('HGET', KEYS[4], 's:' .. me)
if what ~= 'join' and seated and seated ~= session then return { 'replaced' } end
if what == 'leave' and not seated then return { 'ok' } end
if not seated and redis.call('ZCOUNT', KEYS[5], '(' .. text(now), '+inf') >= tonumber(ARGV[5]) then
  return { 'full' }
end

-- The first write, of a field that is never there: a Redis at its memory limit allows it and what follows.
redis.call('HDEL', KEYS[1], '-')
if what ~= 'leave' then
  redis.call('ZADD', KEYS[5], text(now + tonumber(ARGV[4])), me)
end
if what == 'leave' or seated ~= session then
  local unsent = {}
  for a = 6, #ARGV do unsent[ARGV[a]] = true end
  local all = redis.call('HGETALL', KEYS[2])
  for i = 1, #all, 2 do
    local attempt, state, size, holder, message = string.match(all[i + 1], '^(%d+) (%a) (%d+) (%S*) (.*)$')
    if state == 'h' and holder == me then
      if unsent[all[i]] then attempt = text(tonumber(attempt) - 1) end
      redis.call('HSET', KEYS[2], all[i], attempt .. ' w ' .. size .. '  ' .. message)
      redis.call('ZADD', KEYS[3], text(now), all[i])
    end
  end
end
if what == 'leave' then
  redis.call('HDEL', KEYS[4], 's:' .. me, 'c:' .. me, 'f:' .. me, 'b:' .. me)
  redis.call('ZREM', KEYS[5], me)
elseif seated ~= session then
  redis.call('HSET', KEYS[4], 's:' .. me, session, 'c:' .. me, text(clock[1] * 1000000 + clock[2]),
    'f:' .. me, '0', 'b:' .. me, '0')
end
return { 'ok' }
