-- KEYS[1] the account.
local kept = redis.call('GET', KEYS[1])
redis.call('DEL', KEYS[1])
if not kept then return 0 end
local failures, open = string.match(kept, '^(%d+):(%d+):')
if tonumber(failures) + tonumber(open) > 0 then return 1 end
return 0
