-- Reports whether a stream's erased ranges, a text such as "5-10 20-20", contain a sequence.
local function is_erased(ranges, sequence)
  for first, last in string.gmatch(ranges or '', '(%d+)-(%d+)') do
    if sequence >= tonumber(first) and sequence <= tonumber(last) then return true end
  end
  return false
end

