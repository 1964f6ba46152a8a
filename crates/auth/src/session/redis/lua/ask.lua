-- ARGV[1] the digest of the subject, ARGV[2] the one under an earlier key or nothing, ARGV[3] the session,
-- ARGV[4] the token.
local listed = redis.call('ZSCORE', KEYS[3], 's' .. ARGV[3]) or redis.call('ZSCORE', KEYS[3], 't' .. ARGV[4])
local function epoch_of(digest) return tonumber(redis.call('GET', epochs .. digest)) or 0 end
local epoch = math.max(epoch_of(ARGV[1]), epoch_of(ARGV[2]))
return {whole(origin), epoch > 0 and whole(epoch) or '', listed and '1' or ''}
