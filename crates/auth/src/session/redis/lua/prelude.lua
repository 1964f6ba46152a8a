-- KEYS[1] origin, KEYS[2] log, KEYS[3] live revocations, KEYS[4] number of the last log entry, and the
-- heads of the keys of families, of the sessions of subjects, and of their epochs. All have one tag, and
-- so one slot.
local families, indexes, epochs = KEYS[5], KEYS[6], KEYS[7]

-- All times are milliseconds, except the scores of live revocations, which are seconds, rounded up.

-- A server that lost its state begins anew, at a larger number than any epoch before.
local origin = tonumber(redis.call('GET', KEYS[1]))
if not origin then
  origin = now
  redis.call('SET', KEYS[1], whole(origin))
end

-- Records a revocation, and informs the other instances unless they know it already.
local function publish(what, last)
  -- The end of the year 9999: a greater score is written as a fraction.
  local seconds = math.min(math.ceil(last / 1000), 253402300799)
  local known = tonumber(redis.call('ZSCORE', KEYS[3], what))
  if known and known >= seconds then return end
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', math.floor(now / 1000) - 1)
  redis.call('ZADD', KEYS[3], whole(seconds), what)
  local number = redis.call('INCR', KEYS[4])
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', '10000', '*', 'n', number, 'r', what, 'u', whole(seconds))
end

-- Keeps a key for at least this long.
local function keep(key, last)
  if redis.call('PTTL', key) < last - now then redis.call('PEXPIREAT', key, whole(last)) end
end
