-- ARGV: the head of keys, and the fields. Returns the id and the fields of each key.
local head, listed = ARGV[1], {}
for index, id in ipairs(owned(head)) do
  local key = redis.call('HMGET', head .. id, unpack(ARGV, 2))
  table.insert(key, 1, id)
  listed[index] = key
end
return listed
