-- Ends a lease: the holder's own (ARGV: fence, ""), or that of a crashed worker (ARGV: "", worker),
-- whose name stays: its successor must know that it did not finish its frames.
-- KEYS: lease, holder, report.
local own = ARGV[1] ~= '' and redis.call('GET', KEYS[1]) == ARGV[1]
local dead = ARGV[2] ~= '' and redis.call('GET', KEYS[2]) == ARGV[2]
if own or dead then redis.call('DEL', KEYS[1], KEYS[3]) end
if own then redis.call('DEL', KEYS[2]) end
return 1
