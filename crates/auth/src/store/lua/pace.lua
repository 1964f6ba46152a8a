-- A pace is kept as the time at which it is replenished. Returns it, and how long one more has to wait. A
-- clock that was ahead and was set back extends no wait.
local function read_pace(key, interval, burst)
  local at, full = tonumber(redis.call('GET', key) or 0), now + interval * burst
  if at > full then
    at = full
    redis.call('SET', key, whole(at), 'PX', whole(interval * burst))
  end
  return at, math.max(math.max(at, now) + interval - full, 0)
end

local function write_pace(key, at)
  if at <= now then
    redis.call('DEL', key)
  else
    redis.call('SET', key, whole(at), 'PX', whole(at - now))
  end
end
