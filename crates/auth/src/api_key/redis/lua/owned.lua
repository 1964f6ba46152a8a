-- KEYS[1] the owner's set, and KEYS[2] its earlier name, if there is one. Moves the ids to the present
-- name, drops those of keys that are gone, and returns the others.
local function owned(head)
  if KEYS[2] and redis.call('EXISTS', KEYS[2]) == 1 then
    local own, earlier = redis.call('PTTL', KEYS[1]), redis.call('PTTL', KEYS[2])
    redis.call('SUNIONSTORE', KEYS[1], KEYS[1], KEYS[2])
    redis.call('DEL', KEYS[2])
    -- The union has no expiry: -1 means that one of the two has none.
    if own ~= -1 and earlier ~= -1 then
      redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.max(own, earlier)))
    end
  end
  local alive = {}
  for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
    if redis.call('EXISTS', head .. id) == 1 then
      alive[#alive + 1] = id
    else
      redis.call('SREM', KEYS[1], id)
    end
  end
  return alive
end
