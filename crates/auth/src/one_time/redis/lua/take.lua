-- ARGV[1] digest, ARGV[2] proof. 0 unknown, 1 consumed, 2 void.
local kept = redis.call('HMGET', KEYS[1], 'digest', 'proof')
if not kept[1] or kept[1] ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
if kept[2] == ARGV[2] then return 1 end
return 2
