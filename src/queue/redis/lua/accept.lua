-- Enters uploaded frames into a partition's work queue, in order; each is decided by itself.
--
-- KEYS: work queue, counts; then for each frame: stream, publishers, dedup, payload.
-- ARGV: budget bytes, budget frames, maximum publishers of a stream, dedup window, "1" to change
--       nothing, the server's instance, run ids of earlier instances that the server confirms, what
--       it knows of the partition, until when it may accept (milliseconds; 0 = no limit), maximum
--       publishers of the partition; for streams whose settings do not say: maximum frames and
--       bytes that may wait and whether the oldest are dropped ("1", "0"); for streams that drop
--       the oldest: the number of frames that may wait in addition to twice the maximum; the
--       multiple of what is free that one stream may have waiting; then for each frame: stream id,
--       publisher ("" = none), its publisher sequence, digest (16 bytes), size, payload key,
--       header, the highest sequence of the stream that the server knows to be
--       issued, as "epoch:sequence" (sequence 0 = it does not know).
-- Returns for each frame a letter, a number and, for an accepted one, its time of receipt (else 0);
-- then the partition's epoch, accepted frames and feed position:
--   A accepted (sequence)            D duplicate (sequence)          U unknown stream
--   R publisher sequence used for other bytes (sequence)
--   T publisher sequence too old (last)           O publisher sequence out of order (last)
--   P too many publishers            S stream's queue full           F partition full
--   B after a refused frame          G payload missing               E payload entered before
--   Q queue draining                 X dead letter does not exist    L faster than the allowed pace
--   W the server sent no heartbeat for too long
--
-- For a replay of a dead letter, the publisher is "", the publisher sequence is the sequence of the
-- dead letter's frame, and the digest is the dead letter's id. The keys of publishers and dedup are
-- then those of the dead letters and of their replays. A dead letter that was replayed before
-- returns D; one of a frame from before the stream was last unregistered returns X.
--
-- XADD is a frame's first write, and nothing after it can fail: a full Redis refuses whole frames.
--
-- Failover: the instance is "run id:keeps all:was promoted". If the run id is not the one that the
-- partition stores, the newest writes may be lost, including issued sequences. They are not lost if
-- the old instance kept everything on its disk and the new one has that disk, or if the server
-- confirms the old instance: it was the only server that accepted frames there, and knows of all of
-- them. While the run id stays the same, a stored "keeps all" of 0 is not changed to 1, since the 1
-- may be an older report.
--
-- What the server knows of the partition is "epoch:accepted frames:feed position", each the highest
-- value seen: a store that has less was restored to an older state, whatever its settings.
--
-- After a loss or a restore, the partition's epoch rises, and each stream jumps ahead before it
-- issues a sequence again, as far as its sequences can have advanced since the stored state:
-- docs/adr/0005 proves it. A jump is stored in the stream's field `after:<last sequence before the
-- jump>` until the first sequence after the jump is published. The field contains that first
-- sequence and, after a colon, the highest sequence that the server knew to be issued before the
-- jump, if it knew one.
--
-- `received` is the time of receipt of the last frame that the camera sent, and decides whether the
-- stream is live; `replay_received` is that of the last replayed one. Times of receipt never decrease.
--
-- Pace: a stream issues one sequence in STEP microseconds, and BURST of them at once. `paced` is a
-- time that advances by at least STEP with every sequence, so that the number of sequences never
-- grows faster than `paced`.
local function text(number) return string.format('%.0f', number) end

local budget_bytes, budget_frames = tonumber(ARGV[1]), tonumber(ARGV[2])
local max_publishers, window, max_partition_publishers = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[10])
local dry = ARGV[5] == '1'
local share_of_free = tonumber(ARGV[15])
local default_frames, default_bytes, default_drops, spare_frames = ARGV[11], ARGV[12], ARGV[13], tonumber(ARGV[14])
local STEP, BURST, MARGIN = 100, 10000, 8
local UNPACED_JUMP = 1048576 -- for sequences of an older version, which did not limit their pace

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local counts = redis.call('HMGET', KEYS[2], 'work_frames', 'work_bytes', 'instance', 'epoch', 'state', 'accepted', 'feed',
  'publishers', 'base', 'base_epoch', 'base_paced')
local work_frames, work_bytes = tonumber(counts[1] or 0), tonumber(counts[2] or 0)
local stored_epoch, accepted, feed = tonumber(counts[4] or 0), tonumber(counts[6] or 0), tonumber(counts[7] or 0)
local lapsed = ARGV[9] ~= '0' and now > tonumber(ARGV[9]) * 1000

local function parse_instance(instance) return string.match(instance, '^(.-):(%d):(%d)') end
local epoch, new_instance = stored_epoch, not counts[3]
local known_epoch, known_accepted, known_feed = string.match(ARGV[8], '^(%d+):(%d+):(%d+)$')
known_epoch, known_accepted, known_feed = tonumber(known_epoch), tonumber(known_accepted), tonumber(known_feed)
local old_run, kept_all = parse_instance(counts[3] or ARGV[6])
local run, keeps_all, promoted = parse_instance(ARGV[6])
local confirmed = run ~= old_run and string.find(' ' .. ARGV[7] .. ' ', ' ' .. old_run .. ' ', 1, true)
-- A server that confirms the old instance knows of all accepted frames. Then it does not matter if
-- the feed lost events: their frames are published again, and are the same frames.
if known_epoch > epoch
  or (known_epoch == epoch and (accepted < known_accepted or (feed < known_feed and not confirmed))) then
  epoch, new_instance = math.max(epoch, known_epoch) + 1, true
elseif counts[3] then
  if run ~= old_run then
    new_instance = true
    local kept = kept_all == '1' and keeps_all == '1' and promoted ~= '1'
    if not kept and not confirmed then epoch = epoch + 1 end
  else
    new_instance = keeps_all < kept_all
  end
end

-- A record of a dedup key: publisher sequence, sequence (8 bytes each), digest (16). Record 0 has
-- the highest publisher sequence.
local RECORD = 32
-- A stream that the store does not know may have been lost with its registration and all its
-- sequences. Unknown streams start after `base`, which is above every sequence that they can have
-- issued in the epochs up to `base_epoch`. `base_paced` is the `paced` of a stream at `base`.
local base, base_epoch, base_paced = tonumber(counts[9] or 0), tonumber(counts[10] or 0), tonumber(counts[11] or 0)
local new_base = epoch > base_epoch
if new_base then
  if redis.call('EXISTS', KEYS[1]) == 1 then
    local about = redis.call('XINFO', 'STREAM', KEYS[1])
    for i = 1, #about, 2 do
      if about[i] == 'last-generated-id' then
        base_paced = math.max(base_paced, tonumber(string.match(about[i + 1], '^%d+')) * 1000)
      end
    end
  end
  if base_paced == 0 then -- the store has no trace of any sequence
    base, base_paced = math.max(base, now), now
  else
    base_paced = math.min(base_paced, now + (BURST + 2 * MARGIN) * STEP)
    local ahead = math.max(0, math.ceil((now - base_paced) / STEP) + BURST + MARGIN)
    base, base_paced = base + ahead, base_paced + ahead * STEP
  end
end

local streams, entered_frames, entered_bytes, answers = {}, 0, 0, {}
local draining, duplicates = counts[5] == 'draining', 0
local known_publishers, new_publishers = tonumber(counts[8] or 0), 0

local function load_stream(key)
  if not streams[key] then
    local f = redis.call('HMGET', key, 'removed', 'seq', 'fin', 'queued_bytes', 'received', 'revision', 'queue_frames', 'queue_bytes',
      'epoch', 'leapt', 'fin_leapt', 'paced', 'floor', 'queue_drops', 'replay_received')
    local seq, leapt, jump = tonumber(f[2] or 0), tonumber(f[10] or 0), 0
    local paced = tonumber(f[12] or now)
    -- `paced` is further ahead than any stream may get: the clock was set back.
    if paced > now + (BURST + 2 * MARGIN) * STEP then paced = now end
    if epoch > tonumber(f[9] or 0) then
      if f[12] then
        jump = math.ceil((now - paced) / STEP) + BURST + MARGIN
        paced = paced + jump * STEP
      else
        jump = math.max(UNPACED_JUMP, now - seq)
      end
      if seq + jump < base then jump, paced = base - seq, base_paced end
    end
    -- A worker drops frames some time after they were accepted, so more of them may wait: see
    -- QueuePolicy::refusal_frames.
    local max_frames, max_bytes = tonumber(f[7] or default_frames), tonumber(f[8] or default_bytes)
    if (f[14] or default_drops) == '1' then max_frames, max_bytes = max_frames * 2 + spare_frames, max_bytes * 2 end
    streams[key] = {
      known = f[1] == '0', seq = seq, queued = seq - leapt - tonumber(f[3] or 0) + tonumber(f[11] or 0),
      paced = paced, epoch = tonumber(f[9] or 0), jump = jump, leapt = leapt, new_epoch = epoch > tonumber(f[9] or 0),
      queued_bytes = tonumber(f[4] or 0), floor = tonumber(f[13] or 0),
      received = math.max(tonumber(f[5] or 0), tonumber(f[15] or 0)), revision = f[6], max_frames = max_frames, max_bytes = max_bytes,
      duplicates = 0, bytes = 0, entered = false, blocked = false, tops = {}, entered_now = {},
    }
  end
  return streams[key]
end

-- Returns the result that the publisher sequence requires; nil for a new one.
local function check_number(stream, dedup, number, digest)
  local top = stream.tops[dedup]
  if not top then
    local head = redis.call('GETRANGE', dedup, 0, 7)
    top = #head == 8 and struct.unpack('>I8', head) or 0
    stream.tops[dedup] = top
  end
  if number > top then return nil end
  local entered_now = stream.entered_now[dedup .. ':' .. text(number)] -- in a dry run: entered by this call
  if entered_now then return entered_now.digest == digest and 'D' or 'R', entered_now.seq end
  local at = RECORD * (1 + number % window)
  local record = redis.call('GETRANGE', dedup, at, at + RECORD - 1)
  if #record == RECORD then
    local held, seq = struct.unpack('>I8I8', record)
    if held == number then
      if string.sub(record, 17) == digest then return 'D', seq end
      return 'R', seq
    end
  end
  if number + window <= top then return 'T', top end
  return 'O', top
end

-- The more frames a stream has, the more room must remain for others (Budget::SHARE_OF_FREE).
local function partition_is_full(stream, size)
  local free_frames = budget_frames - (work_frames + entered_frames + 1)
  local free_bytes = budget_bytes - (work_bytes + entered_bytes + size)
  return free_frames < 0 or free_bytes < 0
    or stream.queued > share_of_free * free_frames or stream.queued_bytes > share_of_free * free_bytes
end

local frames = (#KEYS - 2) / 4
for i = 0, frames - 1 do
  local stream_key, publishers, dedup, payload = KEYS[3 + i * 4], KEYS[4 + i * 4], KEYS[5 + i * 4], KEYS[6 + i * 4]
  local a = 15 + i * 8
  local id, publisher, number, digest, size = ARGV[a + 1], ARGV[a + 2], tonumber(ARGV[a + 3]), ARGV[a + 4], tonumber(ARGV[a + 5])
  local name, header = ARGV[a + 6], ARGV[a + 7]
  local stream = load_stream(stream_key)
  local ttl = dry and 0 or redis.call('PTTL', payload) -- -2 not stored, -1 entered, else uploaded
  local answer, value, received = nil, 0, 0

  if not stream.known then
    answer = 'U'
  elseif publisher ~= '' then
    answer, value = check_number(stream, dedup, number, digest)
    if not answer and stream.tops[dedup] == 0
      and redis.call('SISMEMBER', publishers, publisher) == 0
      and (redis.call('SCARD', publishers) >= max_publishers or known_publishers + new_publishers >= max_partition_publishers) then
      answer, value = 'P', 0
    end
  end
  local letter = publisher == '' and number > 0 and digest
  if letter then
    local replayed = redis.call('HGET', dedup, letter)
    local is_hidden = number <= stream.floor or is_erased(redis.call('HGET', stream_key, 'erased_ranges'), number)
    if is_hidden then answer = 'X'
    elseif replayed then answer, value = 'D', tonumber(string.match(replayed, '^%d+'))
    elseif #redis.call('XRANGE', publishers, letter, letter) == 0 then answer = 'X' end
  end
  -- An earlier attempt entered the payload: the frame may be stored, so it must not be refused.
  if ttl == -1 and answer ~= 'D' then answer, value = 'E', 0 end
  if not answer then
    if stream.blocked then answer = 'B'
    elseif lapsed then answer = 'W'
    elseif draining then answer = 'Q'
    elseif stream.queued + 1 > stream.max_frames or stream.queued_bytes + size > stream.max_bytes then answer = 'S'
    elseif partition_is_full(stream, size) then answer = 'F'
    elseif stream.jump == 0 and stream.paced > now + BURST * STEP then answer = 'L'
    elseif ttl == -2 then answer = 'G'
    end
    if answer then stream.blocked = true end
  end

  if not answer then
    answer, value = 'A', stream.seq + stream.jump + 1
    received = math.max(stream.received, now)
    local paced = math.max(stream.paced, now) + STEP
    if not dry then
      redis.call('XADD', KEYS[1], '*', 's', id, 'q', text(value), 't', text(received), 'r', stream.revision,
        'k', name, 'n', text(size), 'h', header)
      redis.call('PERSIST', payload)
      redis.call('HSET', stream_key, 'seq', text(value), letter and 'replay_received' or 'received', text(received),
        'paced', text(paced))
      if stream.jump > 0 then
        local first = text(value)
        local issued_epoch, issued = string.match(ARGV[a + 8], '^(%d+):(%d+)$')
        if tonumber(issued) > 0 and tonumber(issued_epoch) == stream.epoch then
          first = first .. ':' .. text(math.max(tonumber(issued), stream.seq))
        end
        redis.call('HSET', stream_key, 'leapt', text(stream.leapt + stream.jump), 'after:' .. text(stream.seq), first)
      end
      if stream.new_epoch then redis.call('HSET', stream_key, 'epoch', text(epoch)) end
      if publisher ~= '' then
        local at = RECORD * (1 + number % window)
        redis.call('SETRANGE', dedup, at, struct.pack('>I8I8', number, value) .. digest)
        redis.call('SETRANGE', dedup, 0, struct.pack('>I8', number))
        if stream.tops[dedup] == 0 then
          new_publishers = new_publishers + redis.call('SADD', publishers, publisher)
        end
      end
      if letter then redis.call('HSET', dedup, letter, text(value) .. ':' .. text(now)) end
    end
    if publisher ~= '' then
      if dry then stream.entered_now[dedup .. ':' .. text(number)] = { digest = digest, seq = value } end
      stream.tops[dedup] = number
    end
    stream.seq, stream.received, stream.paced, stream.entered = value, received, paced, true
    stream.queued, stream.jump, stream.new_epoch = stream.queued + 1, 0, false
    stream.queued_bytes = stream.queued_bytes + size
    stream.bytes = stream.bytes + size
    entered_frames, entered_bytes = entered_frames + 1, entered_bytes + size
  else
    if answer == 'D' and not letter then stream.duplicates = stream.duplicates + 1 end
    if not dry and ttl >= 0 then redis.call('UNLINK', payload) end -- uploaded, but not entered
  end
  answers[#answers + 1] = answer
  answers[#answers + 1] = value or 0
  answers[#answers + 1] = received
end

if not dry then
  for key, stream in pairs(streams) do
    if stream.entered then
      redis.call('HSET', key, 'queued_bytes', text(stream.queued_bytes))
      redis.call('HINCRBY', key, 'accepted_bytes', text(stream.bytes))
    end
    if stream.duplicates > 0 then redis.call('HINCRBY', key, 'duplicates', stream.duplicates) end
    duplicates = duplicates + stream.duplicates
  end
  if duplicates > 0 then redis.call('HINCRBY', KEYS[2], 'duplicates', duplicates) end
  -- Only if a frame was entered: then a full Redis has already allowed its XADD. Otherwise this
  -- would be the first write, and a full Redis would reject it.
  if entered_frames > 0 and new_instance then
    redis.call('HSET', KEYS[2], 'instance', ARGV[6], 'epoch', text(epoch))
  end
  if entered_frames > 0 and new_base then
    redis.call('HSET', KEYS[2], 'base', text(base), 'base_epoch', text(epoch), 'base_paced', text(base_paced))
  end
  if entered_frames > 0 then
    redis.call('HINCRBY', KEYS[2], 'work_frames', entered_frames)
    redis.call('HINCRBY', KEYS[2], 'work_bytes', entered_bytes)
    redis.call('HINCRBY', KEYS[2], 'accepted', entered_frames)
    redis.call('HINCRBY', KEYS[2], 'accepted_bytes', entered_bytes)
    if new_publishers > 0 then redis.call('HINCRBY', KEYS[2], 'publishers', new_publishers) end
  end
end
if entered_frames == 0 or dry then epoch = stored_epoch end
answers[#answers + 1] = epoch
answers[#answers + 1] = accepted + (dry and 0 or entered_frames)
answers[#answers + 1] = feed
return answers
