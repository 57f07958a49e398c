-- Moves finished frames from the work queue to their outputs and the feed; each is decided by
-- itself.
--
-- KEYS: lease, work queue, feed, counts, dead letters; then for each frame: stream, output, source
--       payload, uploaded payloads.
-- ARGV: fence, maximum feed entries, maximum bytes of dead letters; then for each frame: number of
--       uploaded payloads, position in the work queue, stream id, sequence, time of receipt, source
--       size, "1" to keep the source, output bytes, counter ("processed", "over_budget" = processed
--       as well, "failed", "dropped", "purged" or "erased"), with "_replay" after the first three if
--       it is a replayed frame, body, dead letter ("" = none), its picture's key, its bytes with the picture and without, then
--       for each uploaded payload its bytes, if a full Redis rejected them before ("" = they were
--       uploaded).
-- Returns nil if the lease is lost, else for each frame: P published, A published before, N not
-- next, G payload missing, L not in the work queue, R removed: its stream was unregistered after it
-- was accepted, and it is not published; E erased after it was taken: nothing was done.
--
-- XDEL is the first write of a frame. It proves that the frame was in the queue. A Redis at its
-- memory limit allows it and the writes after it, so a full Redis drains.
--
-- A frame is the next of its stream if it has the next sequence, or the first one after a jump (see
-- accept.lua). After a jump, the entry has in `v` the sequence before it and in `g`, if it is
-- known, the highest one that was issued before the jump.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end

local function text(number) return string.format('%.0f', number) end

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local answers = {}
local k, a = 6, 4
while k <= #KEYS do
  local stream, output, source = KEYS[k], KEYS[k + 1], KEYS[k + 2]
  local upload_count = tonumber(ARGV[a])
  local place, id, seq, received = ARGV[a + 1], ARGV[a + 2], tonumber(ARGV[a + 3]), ARGV[a + 4]
  local source_size, keep_source, output_size = tonumber(ARGV[a + 5]), ARGV[a + 6] == '1', tonumber(ARGV[a + 7])
  local counter, is_replay = string.gsub(ARGV[a + 8], '_replay$', '')
  local body = ARGV[a + 9]
  local first_upload, last_upload, first_bytes = k + 3, k + 2 + upload_count, a + 14
  local letter, picture, letter_size, text_size = ARGV[a + 10], ARGV[a + 11], tonumber(ARGV[a + 12]), ARGV[a + 13]
  k, a = last_upload + 1, a + 14 + upload_count

  local ends = redis.call('HMGET', stream, 'fin', 'base', 'floor', 'erased_ranges')
  local fin = tonumber(ends[1] or 0)
  local answer, after_jump, issued_before
  local removed = seq <= tonumber(ends[3] or 0)
  local before = fin -- 0 for a stream's first frame after the sequences of a lost store
  if ends[2] and fin == tonumber(ends[2]) then before = 0 end
  if seq <= fin then
    answer = 'A'
    for o = first_upload, last_upload do
      if redis.call('PTTL', KEYS[o]) >= 0 then redis.call('UNLINK', KEYS[o]) end -- uploaded, but not entered
    end
  else
    if seq > fin + 1 then
      local first
      first, issued_before = string.match(redis.call('HGET', stream, 'after:' .. text(fin)) or '', '^(%d+):?(%d*)$')
      after_jump = first == text(seq)
      if not after_jump then answer = 'N' end
    end
    local has_result = counter == 'processed' or counter == 'over_budget' or counter == 'failed'
    if not answer and not removed and has_result and is_erased(ends[4], seq) then
      answer = 'E'
      for o = first_upload, last_upload do redis.call('UNLINK', KEYS[o]) end
    end
    for o = first_upload, last_upload do
      if not answer and not removed and ARGV[first_bytes + o - first_upload] == '' and redis.call('EXISTS', KEYS[o]) == 0 then
        answer = 'G'
      end
    end
    if not answer and redis.call('XDEL', KEYS[2], place) == 0 then answer = 'L' end
  end

  if not answer and removed then
    answer = 'R'
    redis.call('UNLINK', source)
    for o = first_upload, last_upload do redis.call('UNLINK', KEYS[o]) end
    if after_jump then
      redis.call('HDEL', stream, 'after:' .. text(fin))
      redis.call('HINCRBY', stream, 'fin_leapt', text(seq - fin - 1))
    end
    redis.call('HSET', stream, 'fin', text(seq))
    redis.call('HINCRBY', stream, 'queued_bytes', text(0 - source_size))
    redis.call('HINCRBY', stream, 'deleted', 1)
    redis.call('HINCRBY', KEYS[4], 'work_frames', -1)
    redis.call('HINCRBY', KEYS[4], 'work_bytes', text(0 - source_size))
    redis.call('HINCRBY', KEYS[4], 'deleted', 1)
  elseif not answer then
    answer = 'P'
    local letter_id -- the submitted picture moves to the dead letter, if there is room for it
    if letter ~= '' then
      local dead = redis.call('HMGET', KEYS[4], 'dead_letter_time', 'dead_bytes')
      local dead_letter_time = math.max(now, tonumber(dead[1] or 0))
      keep_source = picture ~= '' and tonumber(dead[2] or 0) + letter_size <= tonumber(ARGV[3])
        and redis.call('EXISTS', source) == 1
      local size = keep_source and text(letter_size) or text_size
      letter_id = text(dead_letter_time) .. '-' .. text(redis.call('HINCRBY', KEYS[4], 'dead_letters', 1))
      redis.call('XADD', KEYS[5], letter_id, 'b', letter, 'k', keep_source and picture or '', 'n', size,
        's', id, 'q', text(seq))
      redis.call('HINCRBY', stream, 'dead', 1)
      redis.call('HSET', KEYS[4], 'dead_letter_time', text(dead_letter_time))
      redis.call('HINCRBY', KEYS[4], 'dead_frames', 1)
      redis.call('HINCRBY', KEYS[4], 'dead_bytes', size)
    end
    if not keep_source then redis.call('UNLINK', source) end
    for o = first_upload, last_upload do
      local bytes = ARGV[first_bytes + o - first_upload]
      if bytes ~= '' then redis.call('SET', KEYS[o], bytes) else redis.call('PERSIST', KEYS[o]) end
    end
    local published = text(math.max(now, tonumber(received)))
    local fields = { 't', received, 'p', published, 'b', body }
    if letter_id then
      fields[#fields + 1] = 'd'
      fields[#fields + 1] = letter_id
    end
    if before ~= seq - 1 then
      fields[#fields + 1] = 'v'
      fields[#fields + 1] = text(before)
    end
    if after_jump and issued_before ~= '' then
      fields[#fields + 1] = 'g'
      fields[#fields + 1] = issued_before
    end
    if after_jump then
      redis.call('HDEL', stream, 'after:' .. text(fin))
      redis.call('HINCRBY', stream, 'fin_leapt', text(seq - fin - 1))
    end
    redis.call('XADD', output, text(seq) .. '-0', unpack(fields))
    local event = redis.call('HINCRBY', KEYS[4], 'feed', 1)
    redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[2], text(event) .. '-0', 's', id, 'q', text(seq), unpack(fields))
    if redis.call('XLEN', output) == 1 then redis.call('HSET', stream, 'oldest', text(seq)) end
    redis.call('HSET', stream, 'fin', text(seq))
    redis.call('HINCRBY', stream, 'queued_bytes', text(0 - source_size))
    redis.call('HINCRBY', stream, 'output_bytes', text(output_size))
    redis.call('HINCRBY', stream, 'published_bytes', text(output_size))
    -- A replayed frame says nothing about the camera as it is now.
    if is_replay == 0 and counter == 'failed' then
      redis.call('HINCRBY', stream, 'failing', 1)
    elseif is_replay == 0 and counter == 'over_budget' then
      redis.call('HINCRBY', stream, 'over_budget_in_row', 1)
      redis.call('HSET', stream, 'failing', 0)
    elseif is_replay == 0 and counter == 'processed' then
      redis.call('HSET', stream, 'failing', 0, 'over_budget_in_row', 0)
    end
    if counter == 'over_budget' then
      redis.call('HINCRBY', stream, 'over_budget', 1)
      redis.call('HINCRBY', KEYS[4], 'over_budget', 1)
      counter = 'processed'
    end
    if counter == 'processed' then
      redis.call('HSET', stream, 'picture', text(seq))
    else
      redis.call('HINCRBY', stream, counter, 1)
    end
    redis.call('HINCRBY', KEYS[4], 'work_frames', -1)
    redis.call('HINCRBY', KEYS[4], 'work_bytes', text(0 - source_size))
    redis.call('HINCRBY', KEYS[4], 'output_bytes', text(output_size))
    redis.call('HINCRBY', KEYS[4], 'published_bytes', text(output_size))
    redis.call('HINCRBY', KEYS[4], counter, 1)
  end
  answers[#answers + 1] = answer
end
return answers
