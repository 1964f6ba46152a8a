-- KEYS[1] account, KEYS[2] device, KEYS[3] network, KEYS[4] all, KEYS[5] all devices. A lane is kept as
-- failures:open:next_at:last_at.

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

local function lane_text(lane)
  local attempts = whole(lane.failures) .. ':' .. whole(lane.open)
  return attempts .. ':' .. whole(lane.next_at) .. ':' .. whole(lane.last_at)
end

-- Reads a lane, after what time alone does to it.
local function read_lane(key, limits)
  local kept = redis.call('GET', key) or '0:0:0:0'
  local failures, open, next_at, last_at = string.match(kept, '^(%d+):(%d+):(%d+):(%d+)$')
  local lane = {
    failures = tonumber(failures), open = tonumber(open),
    next_at = tonumber(next_at), last_at = tonumber(last_at),
  }
  -- A clock that was ahead and was set back extends no wait. It is written, or the bound would move on.
  local latest = now + limits.longest_delay + math.floor(limits.longest_delay / 4)
  if lane.next_at > latest or lane.last_at > now then
    lane.next_at = math.min(lane.next_at, latest)
    lane.last_at = math.min(lane.last_at, now)
    redis.call('SET', key, lane_text(lane), 'KEEPTTL')
  end
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
  redis.call('SET', key, lane_text(lane), 'PX', whole(math.max(kept, 1)))
end
