-- Decides requests in the order of their arrival, each of them all or nothing.
--
-- KEYS are distinct buckets. There are two forms of arguments, which `wire.rs` writes:
--
-- 1. One request that takes of one bucket: its price, the tolerance, and a time in seconds and
--    nanoseconds if it is not the server's.
-- 2. One MessagePack array of numbers:
--      seconds, nanoseconds     the time; seconds below zero mean the server's
--      first                    the index of the first step
--      mode, price, tolerance   a rule: what is done, with how many nanoseconds of which whole bucket
--      ..                       more rules
--      n, count, then n times: key, index of a rule
--                               a step: `count` equal requests that arrived one after the other
--      0, key, tolerance, price held, price due, seconds and nanoseconds held at
--                               the end of a hold
--      ..                       more steps
--
-- The reply is a MessagePack array: the time that was decided by, then for each step the debt of
-- each of its keys before it, and if it holds, by how many nanoseconds the hold is younger than
-- that time. The reply to the first form may be three packed doubles instead of an array. The
-- caller computes the verdicts from the debts as this script does.
--
-- A value is the time at which the bucket will be full, as seconds and nanoseconds, and the second
-- from which the key may be gone (14 bytes). If cells may be held it is the time, the time-out's
-- epoch, the prices held in the epoch before and in this one, and the bucket's birth (39 bytes). A
-- hold that is older than the bucket was taken before a reset. Other values count as lost, as after
-- an eviction. All arithmetic is relative to now, which makes it exact for buckets that fill within
-- 104 days: a number has 53 bits.

-- Most calls are of the first form and end at the first `return`. What they don't need is defined
-- after it, because a function takes time to define.
local function save(key, sec, nano, spare, debt, expires)
  local full = nano + debt
  local seconds = math.floor(full / 1e9)
  local nanos = full - seconds * 1e9
  -- Above 104 days the difference is rounded.
  if nanos < 0 or nanos >= 1e9 then nanos = 0 end
  seconds = sec + seconds
  if expires > seconds then
    redis.call('SET', key, struct.pack('>I5I4I5', seconds, nanos, expires), 'KEEPTTL')
  else
    expires = seconds + spare
    redis.call('SET', key, struct.pack('>I5I4I5', seconds, nanos, expires), 'EX', expires - sec)
  end
end

-- Seconds for which a key is kept after its bucket is full: on the server's clock, and on a
-- caller's, which may differ from it. Within them a write need not renew the expiry, which would
-- take a third of a decision.
local SPARE, SPARE_ON_FOREIGN_CLOCK = 2, 3600
local a, sec, nano, spare
if not ARGV[2] then
  a = cmsgpack.unpack(ARGV[1])
  sec, nano, spare = a[1], a[2], SPARE_ON_FOREIGN_CLOCK
else
  sec, nano, spare = tonumber(ARGV[3] or -1), tonumber(ARGV[4] or 0), SPARE_ON_FOREIGN_CLOCK
end
if sec < 0 then
  local now = redis.call('TIME')
  sec, nano, spare = tonumber(now[1]), now[2] * 1000, SPARE
end
if not a then
  local price, tolerance = tonumber(ARGV[1]), tonumber(ARGV[2])
  local value = redis.call('MGET', KEYS[1])[1]
  local debt, expires = 0, 0
  if value and #value == 14 then
    local seconds, nanos
    seconds, nanos, expires = struct.unpack('>I5I4I5', value)
    debt = math.max((seconds - sec) * 1e9 + (nanos - nano), 0)
  end
  if debt <= tolerance and (not value or #value ~= 39) then
    if price > 0 and price <= tolerance - debt then
      save(KEYS[1], sec, nano, spare, debt + price, expires)
    end
    return struct.pack('>ddd', sec, nano, debt)
  end
  -- The same in the other form, which can do all there is to do.
  a = { sec, nano, 7, 0, price, tolerance, 1, 1, 1, 4 }
end

local ENFORCE, HOLD, HOLD_OBSERVED, FORCE, REFUND = 0, 2, 3, 4, 5
local SECOND, EPOCH = 1e9, 60
local PLAIN, HOLDING = '>I5I4I5', '>I5I4I5ddI5I4'
local floor, pack, parse, call = math.floor, struct.pack, struct.unpack, redis.call
local epoch = floor(sec / EPOCH)

-- Of each key: what is charged, what is held, the second from which it may be gone, the rest of its
-- state if it may hold, and whether it is to be written.
local charged, held, expires, holding, changed = {}, {}, {}, {}, {}

local function since_now(seconds, nanos)
  return (seconds - sec) * SECOND + (nanos - nano)
end

-- Charges what was held until the beginning of an epoch.
local function time_out(debt, price, ended)
  if price == 0 then return debt end
  local at = since_now(ended * EPOCH, 0)
  return at + math.max(debt - at, 0) + price
end

local function load_holding(key, value)
  local seconds, nanos, since, before, current, born, born_nanos = parse(HOLDING, value)
  local debt, birth = since_now(seconds, nanos), since_now(born, born_nanos)
  local passed = epoch - since
  if passed == 1 then
    debt = time_out(debt, before, since + 1)
    before, current = current, 0
  elseif passed > 1 then
    debt = time_out(time_out(debt, before, since + 1), current, since + 2)
    before, current = 0, 0
  elseif passed < 0 then
    -- The clock was stepped back: the holds become charged within two epochs from now.
    before, current, birth = 0, before + current, math.min(birth, 0)
  end
  charged[key], held[key] = math.max(debt, 0), before + current
  holding[key] = { before = before, current = current, birth = birth }
end

local values = call('MGET', unpack(KEYS))
for key = 1, #KEYS do
  local value = values[key]
  charged[key], held[key], expires[key] = 0, 0, 0
  if value then
    if #value == 14 then
      local seconds, nanos, gone = parse(PLAIN, value)
      local debt = (seconds - sec) * SECOND + (nanos - nano)
      if debt > 0 then charged[key] = debt end
      expires[key] = gone
    elseif #value == 39 then
      load_holding(key, value)
    end
  end
end

-- The debt, with what is held. A charged debt that is longer than a whole bucket is cut: it comes
-- from a longer quota, or from a clock that was stepped back.
local function look(key, tolerance)
  local debt = charged[key]
  if debt > tolerance then
    debt = tolerance
    charged[key], changed[key] = debt, true
  end
  debt = debt + held[key]
  if debt > tolerance then return tolerance end
  return debt
end

local function take(key, price)
  charged[key], changed[key] = charged[key] + price, true
end

local function hold(key, price)
  local state = holding[key]
  if not state then
    state = { before = 0, current = 0, birth = 0 }
    holding[key] = state
  end
  state.current = state.current + price
  held[key], changed[key] = held[key] + price, true
  return state.birth
end

local function command(key, mode, price, tolerance)
  if mode == FORCE then
    charged[key] = math.min(charged[key] + price, tolerance)
  elseif mode == REFUND then
    charged[key] = math.max(charged[key] - price, 0)
  else
    local state = holding[key]
    charged[key], held[key] = 0, 0
    if state then
      holding[key] = { before = 0, current = 0, birth = math.max(state.birth, 0) + 1 }
    end
  end
  changed[key] = true
end

local out, o = { sec, nano }, 2

local function step(at, n, count)
  local last = at + 2 * n - 2
  local admitted, fits = count, {}
  for i = at, last, 2 do
    local key, rule = a[i], a[i + 1]
    local mode, price, tolerance = a[rule], a[rule + 1], a[rule + 2]
    local debt, fit = look(key, tolerance), count
    if price > 0 and mode < FORCE then fit = floor((tolerance - debt) / price) end
    if (mode == ENFORCE or mode == HOLD) and fit < admitted then admitted = fit end
    fits[i], o = fit, o + 1
    out[o] = debt
  end
  local holds, birth = false, 0
  for i = at, last, 2 do
    local key, rule = a[i], a[i + 1]
    local mode, price, tolerance = a[rule], a[rule + 1], a[rule + 2]
    if mode >= FORCE then
      command(key, mode, price, tolerance)
    else
      holds = holds or mode >= HOLD
      local taken = math.min(admitted, fits[i])
      if taken > 0 and mode >= HOLD then
        birth = math.max(birth, hold(key, taken * price))
      elseif taken > 0 and price > 0 then
        take(key, taken * price)
      end
    end
  end
  if holds then
    o = o + 1
    out[o] = birth
  end
end

local function settle(key, tolerance, price, due, at, at_nanos)
  look(key, tolerance)
  local state, since = holding[key], floor(at / EPOCH)
  if not state then
    -- The state was lost, or expired long after the time-out had charged the hold.
    holding[key] = { before = 0, current = 0, birth = 0 }
    due = since + 1 < epoch and math.max(due - price, 0) or math.max(due, price)
  elseif since_now(at, at_nanos) < state.birth then
    due = math.max(due, price)
  elseif since == epoch then
    state.current = math.max(state.current - price, 0)
  elseif since + 1 == epoch then
    state.before = math.max(state.before - price, 0)
  else
    due = math.max(due - price, 0)
  end
  state = holding[key]
  held[key] = state.before + state.current
  charged[key], changed[key] = math.min(charged[key] + due, tolerance), true
end

local i, last = a[3], #a
while i < last do
  local n, count = a[i], a[i + 1]
  if n == 0 then
    settle(a[i + 1], a[i + 2], a[i + 3], a[i + 4], a[i + 5], a[i + 6])
    i = i + 7
  else
    local rule = a[i + 3]
    if n == 1 and a[rule] == ENFORCE then
      -- As `step` does, without its loops: nearly all requests.
      local key, price, tolerance = a[i + 2], a[rule + 1], a[rule + 2]
      local debt = look(key, tolerance)
      o = o + 1
      out[o] = debt
      if price > 0 then
        local taken = floor((tolerance - debt) / price)
        if taken > count then taken = count end
        if taken > 0 then take(key, taken * price) end
      end
    else
      step(i + 2, n, count)
    end
    i = i + 2 + 2 * n
  end
end

for key = 1, #KEYS do
  if changed[key] then
    local debt, state = charged[key], holding[key]
    if state then
      local full, birth = nano + debt, nano + state.birth
      local value = pack(HOLDING, sec + floor(full / SECOND), full % SECOND, epoch, state.before,
        state.current, sec + floor(birth / SECOND), birth % SECOND)
      -- Longer than any hold stays open: who settles later finds it charged by its time-out.
      local ttl = floor((debt + held[key]) / SECOND) + 3 * EPOCH + spare
      call('SET', KEYS[key], value, 'EX', ttl)
    elseif debt > 0 then
      save(KEYS[key], sec, nano, spare, debt, expires[key])
    elseif values[key] then
      call('DEL', KEYS[key])
    end
  end
end
return cmsgpack.pack(out)
