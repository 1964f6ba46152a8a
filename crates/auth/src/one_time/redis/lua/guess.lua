-- ARGV[1] proof, ARGV[2] how many wrong tries a code survives. 0 unknown, 1 consumed, 2 void.
local proof = redis.call('HGET', KEYS[1], 'proof')
if not proof then return 0 end
if proof == ARGV[1] then
  redis.call('DEL', KEYS[1])
  return 1
end
if redis.call('HINCRBY', KEYS[1], 'tries', 1) >= tonumber(ARGV[2]) then
  redis.call('DEL', KEYS[1])
  return 2
end
return 0
