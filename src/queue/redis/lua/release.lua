-- Ends a lease: the holder's own (ARGV: fence, ""), or a dead worker's (ARGV: "", worker).
-- KEYS: lease, holder, report.
local own = ARGV[1] ~= '' and redis.call('GET', KEYS[1]) == ARGV[1]
local dead = ARGV[2] ~= '' and redis.call('GET', KEYS[2]) == ARGV[2]
if own or dead then redis.call('DEL', KEYS[1], KEYS[2], KEYS[3]) end
return 1
