-- KEYS[1] the slot, the others its former names. ARGV: digest, proof, subject, data, lifetime.
redis.call('DEL', unpack(KEYS))
if tonumber(ARGV[5]) <= 0 then return 1 end
redis.call('HSET', KEYS[1], 'digest', ARGV[1], 'proof', ARGV[2], 'subject', ARGV[3], 'data', ARGV[4], 'tries', 0)
redis.call('PEXPIREAT', KEYS[1], whole(now + tonumber(ARGV[5])))
return 1
