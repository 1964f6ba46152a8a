-- KEYS[5] the subject's epoch, KEYS[6] the one that an earlier digest key names, or the same.
local listed = redis.call('ZSCORE', KEYS[3], 's' .. ARGV[1]) or redis.call('ZSCORE', KEYS[3], 't' .. ARGV[2])
local epoch = math.max(tonumber(redis.call('GET', KEYS[5])) or 0, tonumber(redis.call('GET', KEYS[6])) or 0)
return {whole(origin), epoch > 0 and whole(epoch) or '', listed and '1' or ''}
