-- ARGV[1] failed, succeeded or unverified, ARGV[2] whether the lane is that of the device, ARGV[3]
-- when it was reserved, ARGV[4] the limits of the lane, ARGV[10] the interval of networks, ARGV[11]
-- that of all, ARGV[12] the limits of all devices. An interval of 0 means that nothing was taken.
local at = tonumber(ARGV[3])

local function settle(key, limits)
  local lane = read_lane(key, limits)
  local in_time = now < at + limits.settle_within and lane.open > 0
  if in_time then lane.open = lane.open - 1 end
  if ARGV[1] == 'failed' then
    if in_time then lane.failures = lane.failures + 1 end
  elseif ARGV[1] == 'succeeded' then
    lane.failures = 0
    if lane.open < limits.free then lane.next_at = 0 end
  elseif in_time and at == lane.last_at then
    lane.next_at = 0
  end
  write_lane(key, lane, limits)
end

if ARGV[2] == '1' then
  settle(KEYS[2], limits_at(4))
  settle(KEYS[5], limits_at(12))
else
  settle(KEYS[1], limits_at(4))
end
if ARGV[1] == 'failed' then return 1 end
for index = 1, 2 do
  local interval = tonumber(ARGV[9 + index])
  if interval > 0 then
    local at = tonumber(redis.call('GET', KEYS[2 + index]) or 0)
    if at > 0 then write_pace(KEYS[2 + index], at - interval) end
  end
end
return 1
