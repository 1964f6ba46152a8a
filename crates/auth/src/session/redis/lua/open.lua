-- ARGV[8] proof, ARGV[9] key, ARGV[11] the digest of the subject under an earlier key or nothing,
-- ARGV[12] scope, ARGV[13] method, ARGV[14] agent, ARGV[15] network.
local id, subject, absolute, access = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local most, replaced, idle, digest = tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7]), ARGV[10]
local family, index, epoch_key = families .. id, indexes .. digest, epochs .. digest

local function finish(session)
  if redis.call('ZREM', index, session) == 1 then
    publish('s' .. session, now + access)
    redis.call('DEL', families .. session)
  end
end

adopt(digest, ARGV[11])
redis.call('ZREMRANGEBYSCORE', index, '-inf', now)
if replaced ~= '' then finish(replaced) end
if redis.call('ZCARD', index) >= most then
  for _, session in ipairs(redis.call('ZRANGE', index, 0, -1)) do
    if redis.call('EXISTS', families .. session) == 0 then redis.call('ZREM', index, session) end
  end
  local excess = redis.call('ZCARD', index) - most
  if excess >= 0 then
    for _, session in ipairs(redis.call('ZRANGE', index, 0, excess)) do finish(session) end
  end
end

local last = now + absolute + access
local epoch = tonumber(redis.call('GET', epoch_key))
if epoch then
  keep(epoch_key, last)
  publish('e' .. whole(epoch) .. ' ' .. subject, last)
end
epoch = epoch or origin
redis.call('HSET', family, 'epoch', whole(epoch), 'subject', subject, 'created', whole(now),
  'used', whole(now), 'gen', '1', 'prev', '0', 'rotated', whole(now), 'idle', whole(now + idle),
  'absolute', whole(now + absolute), 'forgiven', '0', 'since', whole(now), 'proof', ARGV[8],
  'key', ARGV[9], 'digest', digest, 'scope', ARGV[12], 'method', ARGV[13], 'agent', ARGV[14],
  'network', ARGV[15])
redis.call('PEXPIREAT', family, whole(now + math.min(idle, absolute)))
redis.call('ZADD', index, whole(now + idle), id)
keep(index, last)
return {whole(origin), whole(epoch), whole(now), whole(math.ceil(last / 1000))}
