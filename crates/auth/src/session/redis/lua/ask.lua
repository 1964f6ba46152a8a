-- KEYS[5] the subject's epoch.
local listed = redis.call('ZSCORE', KEYS[3], 's' .. ARGV[1]) or redis.call('ZSCORE', KEYS[3], 't' .. ARGV[2])
return {whole(origin), redis.call('GET', KEYS[5]) or '', listed and '1' or ''}
