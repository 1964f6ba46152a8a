-- Returns the lane, the decision, and when the attempt is admitted or how long it has to wait.
-- ARGV[1] jitter, ARGV[2] whether the device is known, ARGV[3] the limits of an account, ARGV[9] those of a
-- device, ARGV[15] those of all devices, ARGV[21] interval and burst of networks, ARGV[23] those of all. An
-- interval of 0 means no limit.
local function delay(limits, count)
  if count < limits.free or limits.first_delay == 0 then return 0 end
  local delay = math.min(limits.first_delay * 2 ^ (count - limits.free), limits.longest_delay)
  return delay + math.floor(delay * tonumber(ARGV[1]) / 4096)
end

-- -1 if there is room, -2 after the hard stop, otherwise the wait.
local function check(lane, limits)
  if counted(lane) >= limits.hard_stop then return -2 end
  if lane.next_at > now then return lane.next_at - now end
  return -1
end

local function refusal(name, lane, wait)
  local is_busy = lane.open > 0 and lane.failures == 0
  return { name, is_busy and 'busy' or 'wait', whole(wait) }
end

local function take(key, lane, limits)
  lane.open = lane.open + 1
  lane.last_at = now
  lane.next_at = now + delay(limits, counted(lane))
  write_lane(key, lane, limits)
end

if ARGV[2] == '1' then
  local limits, all_limits = limits_at(9), limits_at(15)
  local lane, all = read_lane(KEYS[2], limits), read_lane(KEYS[5], all_limits)
  local wait, all_wait = check(lane, limits), check(all, all_limits)
  if wait >= 0 then return refusal('device', lane, wait) end
  if wait == -1 and all_wait >= 0 then return refusal('device', all, all_wait) end
  if wait == -1 and all_wait == -1 then
    take(KEYS[2], lane, limits)
    take(KEYS[5], all, all_limits)
    return { 'device', 'admitted', whole(now) }
  end
end

local limits = limits_at(3)
local lane = read_lane(KEYS[1], limits)
local wait = check(lane, limits)
if wait == -2 then return { 'account', 'locked', '0' } end
if wait >= 0 then return refusal('account', lane, wait) end

local paces = {}
for index, name in ipairs({ 'network', 'global' }) do
  local interval = tonumber(ARGV[19 + 2 * index])
  if interval > 0 then
    local key = KEYS[2 + index]
    local at, wait = read_pace(key, interval, tonumber(ARGV[20 + 2 * index]))
    if wait > 0 then return { name, 'wait', whole(wait) } end
    paces[#paces + 1] = { key = key, at = math.max(at, now) + interval }
  end
end
take(KEYS[1], lane, limits)
for _, pace in ipairs(paces) do write_pace(pace.key, pace.at) end
return { 'account', 'admitted', whole(now) }
