-- KEYS[5] the subject's sessions, KEYS[6] the subject's epoch.
local found = {}
adopt(KEYS[5], KEYS[6], ARGV[2], ARGV[1], ARGV[3], ARGV[4])
redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', now)
for _, session in ipairs(redis.call('ZRANGE', KEYS[5], 0, -1)) do
  local kept = redis.call('HMGET', ARGV[1] .. session, 'subject', 'scope', 'method', 'created', 'used',
    'idle', 'absolute', 'agent', 'network')
  if not kept[1] then
    redis.call('ZREM', KEYS[5], session)
  else
    local deadline = math.min(tonumber(kept[6]), tonumber(kept[7]))
    if now < deadline then
      found[#found + 1] = {session, kept[1], kept[2], kept[3], kept[4], kept[5], whole(deadline),
        kept[8], kept[9]}
    end
  end
end
return found
