-- Who is in a channel. Clients that were not confirmed in time are swept out first, so that the
-- number of clients and of distinct users is the length of a hash.
--
-- KEYS  1 hash client -> user \0 info  2 sorted set client -> expiry ms  3 hash user -> clients
-- ARGV  1 what (add, remove, all, count)  2 now ms  3 client  4 user \0 info  5 life ms
local clients, expiries, users = KEYS[1], KEYS[2], KEYS[3]

local function user_of(value)
    return string.sub(value, 1, string.find(value, '\0', 1, true) - 1)
end

local function forget(client)
    local value = redis.call('HGET', clients, client)
    redis.call('ZREM', expiries, client)
    if value then
        redis.call('HDEL', clients, client)
        local user = user_of(value)
        if redis.call('HINCRBY', users, user, -1) <= 0 then
            redis.call('HDEL', users, user)
        end
    end
end

for _, client in ipairs(redis.call('ZRANGEBYSCORE', expiries, '-inf', ARGV[2], 'LIMIT', 0, 1000)) do
    forget(client)
end

if ARGV[1] == 'add' then
    if redis.call('HSET', clients, ARGV[3], ARGV[4]) == 1 then
        redis.call('HINCRBY', users, user_of(ARGV[4]), 1)
    end
    redis.call('ZADD', expiries, ARGV[2] + ARGV[5], ARGV[3])
    for _, key in ipairs(KEYS) do
        if redis.call('PTTL', key) < tonumber(ARGV[5]) then
            redis.call('PEXPIRE', key, ARGV[5])
        end
    end
elseif ARGV[1] == 'remove' then
    forget(ARGV[3])
elseif ARGV[1] == 'all' then
    return redis.call('HGETALL', clients)
else
    return { redis.call('HLEN', clients), redis.call('HLEN', users) }
end
return 1
