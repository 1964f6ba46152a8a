-- ARGV[1] the digest of the subject, ARGV[2] the one under an earlier key or nothing.
local index, found = indexes .. ARGV[1], {}
adopt(ARGV[1], ARGV[2])
redis.call('ZREMRANGEBYSCORE', index, '-inf', now)
for _, session in ipairs(redis.call('ZRANGE', index, 0, -1)) do
  local kept = redis.call('HMGET', families .. session, 'subject', 'scope', 'method', 'created', 'used',
    'idle', 'absolute', 'agent', 'network')
  if not kept[1] then
    redis.call('ZREM', index, session)
  else
    local deadline = math.min(tonumber(kept[6]), tonumber(kept[7]))
    if now < deadline then
      found[#found + 1] = {session, kept[1], kept[2], kept[3], kept[4], kept[5], whole(deadline),
        kept[8], kept[9]}
    end
  end
end
return found
