-- KEYS[5] the subject's sessions, KEYS[6] the subject's epoch.
local which, id, access, absolute = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local subject, prefix = ARGV[5], ARGV[6]
adopt(KEYS[5], KEYS[6], ARGV[7], prefix, ARGV[8], ARGV[9])
local sessions = redis.call('ZRANGE', KEYS[5], 0, -1)
local ended, epoch, last, count = {}, 0, 0, 0

if which == 'all' then
  local former = tonumber(redis.call('GET', KEYS[6]))
  epoch, last = math.max((former or origin) + 1, now), now + absolute + access
  if former then redis.call('ZREM', KEYS[3], 'e' .. whole(former) .. ' ' .. subject) end
  local left = redis.call('PTTL', KEYS[6])
  redis.call('SET', KEYS[6], whole(epoch), 'PX', whole(math.max(left, absolute + access)))
  publish('e' .. whole(epoch) .. ' ' .. subject, last)
  for _, session in ipairs(sessions) do count = count + redis.call('DEL', prefix .. session) end
  redis.call('DEL', KEYS[5])
else
  for _, session in ipairs(sessions) do
    if (session == id) == (which == 'one') then
      redis.call('ZREM', KEYS[5], session)
      publish('s' .. session, now + access)
      count = count + redis.call('DEL', prefix .. session)
      ended[#ended + 1] = session
    end
  end
  last = now + access
end
return {whole(origin), whole(epoch), whole(math.ceil(last / 1000)), whole(count), ended}
