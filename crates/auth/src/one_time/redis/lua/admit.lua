-- KEYS: the recipient, and the network if it is known. ARGV: interval and burst of each.
local paces = {}
for index, key in ipairs(KEYS) do
  local interval, burst = tonumber(ARGV[2 * index - 1]), tonumber(ARGV[2 * index])
  -- A clock that was ahead and was set back extends no wait.
  local kept, full = tonumber(redis.call('GET', key) or 0), now + interval * burst
  if kept > full then
    kept = full
    redis.call('SET', key, whole(kept), 'PX', whole(interval * burst))
  end
  local after = math.max(kept, now) + interval
  local wait = after - now - interval * burst
  if wait > 0 then return wait end
  paces[index] = after
end
for index, key in ipairs(KEYS) do
  redis.call('SET', key, whole(paces[index]), 'PX', whole(paces[index] - now))
end
return 0
