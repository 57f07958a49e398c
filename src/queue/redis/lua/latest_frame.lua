-- Reads the newest processed frame of an output, which finish.lua noted. Reads only.
-- KEYS: stream, output.  Returns {{entry}, the stream's erased ranges}; without the entry if there is
-- none or it is not kept.
local f = redis.call('HMGET', KEYS[1], 'picture', 'erased_ranges')
if not f[1] then return { {}, f[2] } end
return { redis.call('XRANGE', KEYS[2], f[1] .. '-0', f[1] .. '-0'), f[2] }
