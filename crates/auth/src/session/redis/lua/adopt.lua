-- Moves the sessions and the epoch of a subject that an earlier digest key named to the present names.
local function adopt(index, epoch, digest, prefix, former_index, former_epoch)
  if former_index == '' then return end
  local sessions = redis.call('ZRANGE', former_index, 0, -1, 'WITHSCORES')
  for at = 1, #sessions, 2 do
    redis.call('ZADD', index, sessions[at + 1], sessions[at])
    if redis.call('EXISTS', prefix .. sessions[at]) == 1 then
      redis.call('HSET', prefix .. sessions[at], 'digest', digest)
    end
  end
  if #sessions > 0 then keep(index, now + math.max(redis.call('PTTL', former_index), 0)) end
  local former = tonumber(redis.call('GET', former_epoch))
  if former then
    local own = tonumber(redis.call('GET', epoch)) or 0
    local left = math.max(redis.call('PTTL', former_epoch), redis.call('PTTL', epoch), 1)
    redis.call('SET', epoch, whole(math.max(former, own)), 'PX', whole(left))
  end
  redis.call('DEL', former_index, former_epoch)
end
