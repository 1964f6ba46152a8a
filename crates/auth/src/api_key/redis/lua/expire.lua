-- KEYS[1] the key, the others the owner's sets. ARGV: id, time until it ends, has_issuer, issuer, subject.
local kept = redis.call('HMGET', KEYS[1], 'has_issuer', 'issuer', 'subject')
if kept[1] ~= ARGV[3] or kept[2] ~= ARGV[4] or kept[3] ~= ARGV[5] then return 0 end
local after = tonumber(ARGV[2])
shorten(KEYS[1], after)
if after <= 0 then
  for index = 2, #KEYS do redis.call('SREM', KEYS[index], ARGV[1]) end
end
return 1
