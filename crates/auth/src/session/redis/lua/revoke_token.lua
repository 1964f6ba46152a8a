publish('t' .. ARGV[1], tonumber(ARGV[2]) * 1000)
return whole(origin)
