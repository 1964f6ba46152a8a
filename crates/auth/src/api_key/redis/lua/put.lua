-- ARGV: the head of keys, id, most, lifetime or -1, digest, has_issuer, issuer, subject, name, scope.
if #owned(ARGV[1]) >= tonumber(ARGV[3]) then return 0 end
local key, lifetime = ARGV[1] .. ARGV[2], tonumber(ARGV[4])
local expires = ''
if lifetime >= 0 then expires = whole(now + lifetime) end
redis.call('HSET', key, 'digest', ARGV[5], 'has_issuer', ARGV[6], 'issuer', ARGV[7], 'subject', ARGV[8],
  'name', ARGV[9], 'scope', ARGV[10], 'created', whole(now), 'expires', expires)
if lifetime >= 0 then redis.call('PEXPIREAT', key, expires) end
redis.call('SADD', KEYS[1], ARGV[2])
return 1
