-- Marks a group's dead letter as replayed, if it exists and was not replayed before.
-- KEYS: dead letters, replays. ARGV: its id.
if #redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1]) == 0 then return 0 end
local clock = redis.call('TIME')
return redis.call('HSETNX', KEYS[2], ARGV[1], '0:' .. string.format('%.0f', clock[1] * 1000000 + clock[2]))
