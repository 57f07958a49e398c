-- Reads all stored state of a group at one moment. A script and not a transaction: see page.lua.
-- KEYS: as in group_common.lua.
-- Returns about, positions, names of pending frames, members, alive, the time in seconds and
-- microseconds, and pairs of a name and the time at which the longest outstanding frame was
-- delivered (ms; 0 = none): first the pair of the group, then one for each member that has such a
-- frame.
local names, oldest, by_member = {}, 0, {}
local all = redis.call('HGETALL', PENDING)
for i = 1, #all, 2 do
  names[#names + 1] = all[i]
  local _, state, _, given, holder = read(all[i + 1])
  if given > 0 then
    if oldest == 0 or given < oldest then oldest = given end
    if state == 'h' and (not by_member[holder] or given < by_member[holder]) then by_member[holder] = given end
  end
end
local waits = { 'group', oldest }
for member, given in pairs(by_member) do
  waits[#waits + 1] = member
  waits[#waits + 1] = given
end
return {
  redis.call('HGETALL', ABOUT),
  redis.call('HGETALL', POSITIONS),
  names,
  redis.call('HGETALL', MEMBERS),
  redis.call('ZRANGE', ALIVE, 0, -1, 'WITHSCORES'),
  clock,
  waits,
}
