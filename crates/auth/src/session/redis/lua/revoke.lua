-- ARGV[7] the digest of the subject under an earlier key or nothing.
local which, id, access, absolute = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local subject, digest = ARGV[5], ARGV[6]
local index, epoch_key = indexes .. digest, epochs .. digest
adopt(digest, ARGV[7])
local sessions = redis.call('ZRANGE', index, 0, -1)
local ended, epoch, last, count = {}, 0, 0, 0

if which == 'all' then
  local former = tonumber(redis.call('GET', epoch_key))
  epoch, last = math.max((former or origin) + 1, now), now + absolute + access
  if former then redis.call('ZREM', KEYS[3], 'e' .. whole(former) .. ' ' .. subject) end
  local left = redis.call('PTTL', epoch_key)
  redis.call('SET', epoch_key, whole(epoch), 'PX', whole(math.max(left, absolute + access)))
  publish('e' .. whole(epoch) .. ' ' .. subject, last)
  for _, session in ipairs(sessions) do count = count + redis.call('DEL', families .. session) end
  redis.call('DEL', index)
else
  for _, session in ipairs(sessions) do
    if (session == id) == (which == 'one') then
      redis.call('ZREM', index, session)
      publish('s' .. session, now + access)
      count = count + redis.call('DEL', families .. session)
      ended[#ended + 1] = session
    end
  end
  last = now + access
end
return {whole(origin), whole(epoch), whole(math.ceil(last / 1000)), whole(count), ended}
