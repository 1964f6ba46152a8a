-- Moves the sessions and the epoch of a subject that an earlier digest key named to the present names.
local function adopt(digest, former)
  -- The same key twice moves nothing: what has the former names is what has the present ones.
  if former == '' or former == digest then return end
  local index, former_index = indexes .. digest, indexes .. former
  local sessions = redis.call('ZRANGE', former_index, 0, -1, 'WITHSCORES')
  for at = 1, #sessions, 2 do
    redis.call('ZADD', index, sessions[at + 1], sessions[at])
    if redis.call('EXISTS', families .. sessions[at]) == 1 then
      redis.call('HSET', families .. sessions[at], 'digest', digest)
    end
  end
  if #sessions > 0 then keep(index, now + math.max(redis.call('PTTL', former_index), 0)) end
  local epoch, former_epoch = epochs .. digest, epochs .. former
  local moved = tonumber(redis.call('GET', former_epoch))
  if moved then
    local own = tonumber(redis.call('GET', epoch)) or 0
    local left = math.max(redis.call('PTTL', former_epoch), redis.call('PTTL', epoch), 1)
    redis.call('SET', epoch, whole(math.max(moved, own)), 'PX', whole(left))
  end
  redis.call('DEL', former_index, former_epoch)
end
