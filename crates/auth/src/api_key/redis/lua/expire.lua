-- KEYS[1] the key, the others the owner's sets. ARGV: id, time until it ends, has_issuer, issuer, subject.
local kept = redis.call('HMGET', KEYS[1], 'has_issuer', 'issuer', 'subject', 'expires')
if kept[1] ~= ARGV[3] or kept[2] ~= ARGV[4] or kept[3] ~= ARGV[5] then return 0 end
local after = tonumber(ARGV[2])
if after <= 0 then
  redis.call('DEL', KEYS[1])
  for index = 2, #KEYS do redis.call('SREM', KEYS[index], ARGV[1]) end
  return 1
end
local ends = now + after
if kept[4] == '' or ends < tonumber(kept[4]) then
  redis.call('HSET', KEYS[1], 'expires', whole(ends))
  redis.call('PEXPIREAT', KEYS[1], whole(ends))
end
return 1
