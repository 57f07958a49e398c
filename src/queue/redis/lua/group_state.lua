-- Reads all that is stored of a group, of one moment. A script and no transaction: see page.lua.
-- KEYS: about, positions, pending, members, alive.
return {
  redis.call('HGETALL', KEYS[1]),
  redis.call('HGETALL', KEYS[2]),
  redis.call('HKEYS', KEYS[3]),
  redis.call('HGETALL', KEYS[4]),
  redis.call('ZRANGE', KEYS[5], 0, -1, 'WITHSCORES'),
  redis.call('TIME'),
}
