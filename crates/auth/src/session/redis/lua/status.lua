return {whole(origin), redis.call('GET', KEYS[4]) or '0'}
