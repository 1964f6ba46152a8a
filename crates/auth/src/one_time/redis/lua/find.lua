-- ARGV[1] digest.
local kept = redis.call('HMGET', KEYS[1], 'digest', 'subject', 'data')
if not kept[1] or kept[1] ~= ARGV[1] then return {} end
return { kept[2], kept[3] }
