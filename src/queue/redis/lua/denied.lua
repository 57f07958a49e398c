#!lua flags=no-writes
-- Returns the numbers, from 1, of the commands that the user of this connection may not run. Runs
-- none of them.
-- ARGV: commands with their arguments, separated by spaces.
local denied = {}
for number, line in ipairs(ARGV) do
  local words = {}
  for word in string.gmatch(line, '%S+') do words[#words + 1] = word end
  local known, permitted = pcall(redis.acl_check_cmd, unpack(words))
  if not (known and permitted) then denied[#denied + 1] = number end
end
return denied
