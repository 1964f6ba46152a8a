-- KEYS[5] family, KEYS[6] the subject's sessions, KEYS[7] the subject's epoch.
local id, subject, absolute, access = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local most, replaced, prefix, idle = tonumber(ARGV[5]), ARGV[6], ARGV[7], tonumber(ARGV[8])

local function finish(session)
  if redis.call('ZREM', KEYS[6], session) == 1 then
    publish('s' .. session, now + access)
    redis.call('DEL', prefix .. session)
  end
end

adopt(KEYS[6], KEYS[7], ARGV[11], prefix, ARGV[16], ARGV[17])
redis.call('ZREMRANGEBYSCORE', KEYS[6], '-inf', now)
if replaced ~= '' then finish(replaced) end
if redis.call('ZCARD', KEYS[6]) >= most then
  for _, session in ipairs(redis.call('ZRANGE', KEYS[6], 0, -1)) do
    if redis.call('EXISTS', prefix .. session) == 0 then redis.call('ZREM', KEYS[6], session) end
  end
  local excess = redis.call('ZCARD', KEYS[6]) - most
  if excess >= 0 then
    for _, session in ipairs(redis.call('ZRANGE', KEYS[6], 0, excess)) do finish(session) end
  end
end

local last = now + absolute + access
local epoch = tonumber(redis.call('GET', KEYS[7]))
if epoch then
  keep(KEYS[7], last)
  publish('e' .. whole(epoch) .. ' ' .. subject, last)
end
epoch = epoch or origin
redis.call('HSET', KEYS[5], 'epoch', whole(epoch), 'subject', subject, 'created', whole(now),
  'used', whole(now), 'gen', '1', 'prev', '0', 'rotated', whole(now), 'idle', whole(now + idle),
  'absolute', whole(now + absolute), 'forgiven', '0', 'since', whole(now), 'proof', ARGV[9],
  'key', ARGV[10], 'digest', ARGV[11], 'scope', ARGV[12], 'method', ARGV[13], 'agent', ARGV[14],
  'network', ARGV[15])
redis.call('PEXPIREAT', KEYS[5], whole(now + math.min(idle, absolute)))
redis.call('ZADD', KEYS[6], whole(now + idle), id)
keep(KEYS[6], last)
return {whole(origin), whole(epoch), whole(now), whole(math.ceil(last / 1000))}
