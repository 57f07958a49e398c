-- Finds live workers or servers whose version does not know erased frames. Writes nothing.
-- KEYS: those that are present, those of them that know erased frames.
-- Returns how many do not, and the names of some of them.
--
-- A present one that knows erased frames has the same score in both. An older version writes only the
-- first, also if it replaces a newer one under the same name.
local MAX_NAMES = 5
local clock = redis.call('TIME')
local now = string.format('(%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
local count, names = 0, {}
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], now, '+inf')) do
  if redis.call('ZSCORE', KEYS[1], name) ~= redis.call('ZSCORE', KEYS[2], name) then
    count = count + 1
    if count <= MAX_NAMES then names[count] = name end
  end
end
return { count, names }
