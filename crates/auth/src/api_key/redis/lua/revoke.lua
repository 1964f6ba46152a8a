-- ARGV[1] the head of keys. Removes all keys of the owner, and returns their ids.
local ids = owned(ARGV[1])
for _, id in ipairs(ids) do redis.call('DEL', ARGV[1] .. id) end
redis.call('DEL', KEYS[1])
return ids
