-- ARGV[9] agent, ARGV[10] network.
local id, generation, proof, key = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local grace, idle, access = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local per_day, family = tonumber(ARGV[8]), families .. id

local kept = redis.call('HMGET', family, 'proof', 'epoch', 'subject', 'digest', 'gen', 'prev', 'key',
  'rotated', 'idle', 'absolute', 'forgiven', 'since', 'scope', 'method', 'created', 'used', 'agent',
  'network')
if kept[1] ~= proof then return {'unknown'} end
local epoch, index = tonumber(kept[2]), indexes .. kept[4]
local current, previous, rotated = tonumber(kept[5]), tonumber(kept[6]), tonumber(kept[8])
local deadline = math.min(tonumber(kept[9]), tonumber(kept[10]))

-- An epoch that the server forgot is not known, so the session is over.
local least = tonumber(redis.call('GET', epochs .. kept[4]))
local lives = epoch >= origin and epoch >= (least or epoch) and (least or epoch == origin)
local transition, changed
if not lives or now >= deadline then
  transition = 'expired'
elseif generation > current then
  return {'rolled_back'}
elseif generation == current then
  transition, previous, changed = 'rotated', generation, true
elseif generation ~= previous then
  transition = 'reused'
elseif math.max(now - rotated, 0) < grace then
  transition = 'replayed'
else
  local forgiven, since = tonumber(kept[11]), tonumber(kept[12])
  if now - since >= 86400000 then forgiven, since = 0, now end
  if forgiven < per_day then
    transition, changed = 'forgiven', true
    redis.call('HSET', family, 'forgiven', whole(forgiven + 1), 'since', whole(since))
  else
    transition = 'reused'
  end
end

local answer = {transition, whole(origin), whole(epoch), whole(current), kept[7], kept[3], kept[13],
  kept[14], kept[15], kept[16], whole(deadline), kept[17], kept[18], whole(now - rotated),
  whole(math.ceil((now + access) / 1000))}
if changed then
  deadline = math.min(now + idle, tonumber(kept[10]))
  redis.call('HSET', family, 'gen', whole(current + 1), 'prev', whole(previous), 'key', key,
    'rotated', whole(now), 'used', whole(now), 'idle', whole(now + idle), 'agent', ARGV[9],
    'network', ARGV[10])
  redis.call('PEXPIREAT', family, whole(deadline))
  redis.call('ZADD', index, whole(now + idle), id)
  answer[4], answer[5], answer[10], answer[11] = whole(current + 1), key, whole(now), whole(deadline)
  answer[12], answer[13] = ARGV[9], ARGV[10]
elseif transition == 'expired' or transition == 'reused' then
  redis.call('DEL', family)
  redis.call('ZREM', index, id)
  if transition == 'reused' then publish('s' .. id, now + access) end
end
return answer
