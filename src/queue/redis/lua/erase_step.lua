-- Erases entries of an output: removes their pictures and counts them as erased. The entries stay;
-- readers see tombstones in their place (`erased_ranges` of the stream).
-- KEYS: lease, erasures, stream, output, counts; then the entries' payloads.
-- ARGV: fence, stream id, what the caller read that is yet to be erased, what is left of it, sequence
--       of the first entry ("" = there are none), entries with a picture, failed entries; then each
--       payload's bytes.
-- Returns nil if the lease is lost, 1, or 0 if the stream is not as the caller read it: then nothing
-- was done. HDEL is the first write: a Redis at its memory limit allows it and what follows.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
if redis.call('HGET', KEYS[2], ARGV[2]) ~= ARGV[3] then return 0 end
if ARGV[5] ~= '' and #redis.call('XRANGE', KEYS[4], ARGV[5] .. '-0', ARGV[5] .. '-0') == 0 then return 0 end
local function less(number) return string.format('%.0f', 0 - tonumber(number)) end
redis.call('HDEL', KEYS[2], ARGV[2])
redis.call('HSET', KEYS[2], ARGV[2], ARGV[4])
if ARGV[5] == '' then return 1 end
local bytes = 0 -- of the payloads that are there
for p = 6, #KEYS do
  if redis.call('UNLINK', KEYS[p]) == 1 then bytes = bytes + tonumber(ARGV[p + 2]) end
end
redis.call('HINCRBY', KEYS[3], 'erased', ARGV[6] + ARGV[7])
redis.call('HINCRBY', KEYS[3], 'failed', less(ARGV[7]))
redis.call('HINCRBY', KEYS[3], 'output_bytes', less(bytes))
redis.call('HINCRBY', KEYS[5], 'erased', ARGV[6] + ARGV[7])
redis.call('HINCRBY', KEYS[5], 'erased_processed', ARGV[6])
redis.call('HINCRBY', KEYS[5], 'erased_failed', ARGV[7])
redis.call('HINCRBY', KEYS[5], 'processed', less(ARGV[6]))
redis.call('HINCRBY', KEYS[5], 'failed', less(ARGV[7]))
redis.call('HINCRBY', KEYS[5], 'output_bytes', less(bytes))
return 1
