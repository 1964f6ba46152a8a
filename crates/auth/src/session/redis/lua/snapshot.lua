-- A page of the live revocations, those first that expire last: entries that are added meanwhile are
-- in the log, and move the rest to a later page.
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
local number = redis.call('GET', KEYS[4]) or '0'
local page = redis.call('ZREVRANGE', KEYS[3], ARGV[1], ARGV[2], 'WITHSCORES')
return {whole(origin), number, last[1] and last[1][1] or '0-0', page}
