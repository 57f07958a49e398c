-- Begins, renews or ends a membership.
-- KEYS: as in group_common.lua.
-- ARGV: what ("join", "keep", "leave"), member, session, time to live (ms), maximum members; with
--       "leave", then the frames ("stream:sequence") that were never sent.
-- Returns {"gone"}, {"replaced"}, {"full"} or {"ok", deliveries}: for "join", the frames that the
-- member holds, as in group_claim.lua.
local what, me, session = ARGV[1], ARGV[2], ARGV[3]
local ack_ms = tonumber(redis.call('HGET', ABOUT, 'ack_ms'))
if not ack_ms then return { 'gone' } end
local seated = redis.call('HGET', MEMBERS, 's:' .. me)
if what ~= 'join' and seated and seated ~= session then return { 'replaced' } end
if what == 'leave' and not seated then return { 'ok', {} } end
if not seated and redis.call('ZCOUNT', ALIVE, '(' .. text(now), '+inf') >= tonumber(ARGV[5]) then
  return { 'full' }
end

-- The first write, of a field that never exists: a Redis at its memory limit allows it and what
-- follows.
redis.call('HDEL', ABOUT, '-')
if what == 'leave' then
  for a = 6, #ARGV do
    local entry = redis.call('HGET', PENDING, ARGV[a])
    if entry then
      local attempt, state, size, _, holder, message = read(entry)
      if state == 'h' and holder == me then
        write(ARGV[a], attempt - 1, 'w', size, 0, '', message)
        redis.call('ZADD', DUE, text(now), ARGV[a])
        free(me, size)
      end
    end
  end
  end_calls({ [me] = true }, ack_ms)
  return { 'ok', {} }
end

redis.call('ZADD', ALIVE, text(now + tonumber(ARGV[4])), me)
local held = {}
if seated ~= session then
  if seated then abandon({ [seated] = true }) end
  redis.call('HSET', MEMBERS, 's:' .. me, session, 'c:' .. me, text(clock[1] * 1000000 + clock[2]))
  redis.call('HSETNX', MEMBERS, 'f:' .. me, '0')
  redis.call('HSETNX', MEMBERS, 'b:' .. me, '0')
  redis.call('HSETNX', MEMBERS, 'w:' .. me, '1')
end
if seated ~= session and what == 'join' and redis.call('HGET', MEMBERS, 'f:' .. me) ~= '0' then
  local all = redis.call('HGETALL', PENDING)
  for i = 1, #all, 2 do
    local attempt, state, _, _, holder = read(all[i + 1])
    local due = tonumber(redis.call('ZSCORE', DUE, all[i]))
    if state == 'h' and holder == me and due > now then
      local generation = redis.call('HGET', POSITIONS, 'g:' .. string.match(all[i], '^([^:]+):'))
      local letter = redis.call('HGET', LETTERS, all[i]) or ''
      held[#held + 1] = { all[i], attempt, due, letter, tonumber(generation), due - now }
    end
  end
  table.sort(held, function(a, b) return a[1] < b[1] end)
end
return { 'ok', held }
