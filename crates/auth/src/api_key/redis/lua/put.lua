-- ARGV: the head of keys, id, most keys, lifetime or -1, digest, has_issuer, issuer, subject, name, scope,
-- and the id of the key to replace, or nothing, and how much longer that one is valid.
-- 0 too many, 1 kept, 2 nothing to replace.
local head, replaced = ARGV[1], ARGV[11]
local ids, is_owned = owned(head), replaced == ''
for _, id in ipairs(ids) do is_owned = is_owned or id == replaced end
if not is_owned then return 2 end
if #ids >= tonumber(ARGV[3]) then return 0 end
local key, lifetime, expires = head .. ARGV[2], tonumber(ARGV[4]), ''
if lifetime >= 0 then expires = whole(now + lifetime) end
redis.call('HSET', key, 'digest', ARGV[5], 'has_issuer', ARGV[6], 'issuer', ARGV[7],
  'subject', ARGV[8], 'name', ARGV[9], 'scope', ARGV[10], 'created', whole(now),
  'lifetime', lifetime >= 0 and whole(lifetime) or '', 'expires', expires)
if lifetime >= 0 then redis.call('PEXPIREAT', key, expires) end
-- The set lives as long as its longest key: -2 it is new, -1 it never expires.
local left = redis.call('PTTL', KEYS[1])
redis.call('SADD', KEYS[1], ARGV[2])
if lifetime < 0 then
  redis.call('PERSIST', KEYS[1])
elseif left == -2 or (left >= 0 and left < lifetime) then
  redis.call('PEXPIREAT', KEYS[1], expires)
end
if replaced ~= '' then shorten(head .. replaced, tonumber(ARGV[12])) end
return 1
