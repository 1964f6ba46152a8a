-- KEYS[1] account, KEYS[2] device, KEYS[3] network, KEYS[4] all. A lane is kept as
-- failures:open:next_at:last_at, a pace as the time at which it is replenished. All times are
-- milliseconds of the server's clock.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function whole(number) return string.format('%.0f', number) end

-- 90 days: how long a lane that reached its hard stop is kept.
local LOCKED = 7776000000

-- Six limits of a lane, from this argument on.
local function limits_at(first)
  local n = function(offset) return tonumber(ARGV[first + offset]) end
  return {
    free = n(0), first_delay = n(1), longest_delay = n(2),
    hard_stop = n(3), forget_after = n(4), settle_within = n(5),
  }
end

local function counted(lane) return lane.failures + lane.open end

-- Reads a lane, with unsettled attempts turned into failures and old failures forgotten.
local function read_lane(key, limits)
  local kept = redis.call('GET', key) or '0:0:0:0'
  local failures, open, next_at, last_at = string.match(kept, '^(%d+):(%d+):(%d+):(%d+)$')
  local lane = {
    failures = tonumber(failures), open = tonumber(open),
    next_at = tonumber(next_at), last_at = tonumber(last_at),
  }
  if now >= lane.last_at + limits.settle_within then
    lane.failures = counted(lane)
    lane.open = 0
  end
  if now >= lane.last_at + limits.forget_after and counted(lane) < limits.hard_stop then
    lane = { failures = 0, open = 0, next_at = 0, last_at = 0 }
  end
  return lane
end

local function write_lane(key, lane, limits)
  if counted(lane) == 0 and lane.next_at <= now then
    redis.call('DEL', key)
    return
  end
  local kept = limits.forget_after
  if counted(lane) >= limits.hard_stop then kept = LOCKED end
  local value = whole(lane.failures) .. ':' .. whole(lane.open) .. ':' .. whole(lane.next_at)
  redis.call('SET', key, value .. ':' .. whole(lane.last_at), 'PX', whole(math.max(kept, 1)))
end

-- A pace, and how long one more has to wait.
local function read_pace(key, interval, burst)
  local at = tonumber(redis.call('GET', key) or 0)
  return at, math.max(math.max(at, now) + interval - now - interval * burst, 0)
end

local function write_pace(key, at)
  if at <= now then
    redis.call('DEL', key)
  else
    redis.call('SET', key, whole(at), 'PX', whole(at - now))
  end
end
