-- ARGV[1] digest, ARGV[2] proof, ARGV[3] how many wrong tries a code survives. 0 unknown, 1 consumed,
-- 2 void.
local kept = redis.call('HMGET', KEYS[1], 'digest', 'proof')
if not kept[1] or kept[1] ~= ARGV[1] then return 0 end
if kept[2] == ARGV[2] then
  redis.call('DEL', KEYS[1])
  return 1
end
if redis.call('HINCRBY', KEYS[1], 'tries', 1) >= tonumber(ARGV[3]) then
  redis.call('DEL', KEYS[1])
  return 2
end
return 0
