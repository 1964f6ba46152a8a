-- KEYS[1] the account, KEYS[2] all its devices.
local unlocked = 0
for _, key in ipairs(KEYS) do
  local kept = redis.call('GET', key)
  if kept then
    redis.call('DEL', key)
    local failures, open = string.match(kept, '^(%d+):(%d+):')
    if tonumber(failures) + tonumber(open) > 0 then unlocked = 1 end
  end
end
return unlocked
