-- Makes a key expire after this time, unless it expires before; removes it if the time is zero.
local function shorten(key, after)
  if after <= 0 then return redis.call('DEL', key) end
  local ends, expires = now + after, redis.call('HGET', key, 'expires')
  if expires == '' or ends < tonumber(expires) then
    redis.call('HSET', key, 'expires', whole(ends))
    redis.call('PEXPIREAT', key, whole(ends))
  end
end
