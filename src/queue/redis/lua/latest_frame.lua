-- Reads the newest processed frame of an output, which finish.lua noted. Reads only.
-- KEYS: stream, output.  Returns {entry}, or {} if there is none or it is not kept.
local number = redis.call('HGET', KEYS[1], 'picture')
if not number then return {} end
return redis.call('XRANGE', KEYS[2], number .. '-0', number .. '-0')
