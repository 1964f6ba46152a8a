-- KEYS: the recipient, and the network if it is known. ARGV: interval and burst of each.
local paces = {}
for index, key in ipairs(KEYS) do
  local interval, burst = tonumber(ARGV[2 * index - 1]), tonumber(ARGV[2 * index])
  local at, wait = read_pace(key, interval, burst)
  if wait > 0 then return wait end
  paces[index] = math.max(at, now) + interval
end
for index, key in ipairs(KEYS) do write_pace(key, paces[index]) end
return 0
