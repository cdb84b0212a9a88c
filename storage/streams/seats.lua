-- Which connections an account has, over all processes. The newest is always let in: where there
-- are too many, those of processes that are gone make room first, then the oldest.
--
-- KEYS  1 sorted set <node> <client> -> since ms  2 sorted set <node> <client> -> expiry ms
-- ARGV  1 what (take, leave)  2 now ms  3 <node> <client>  4 since ms  5 life ms  6 how many may be
-- gives {<node> <client>, …} that must go; they are forgotten here already
local since, expiries = KEYS[1], KEYS[2]
local member = ARGV[3]

local function forget(one)
    redis.call('ZREM', since, one)
    redis.call('ZREM', expiries, one)
end

for _, one in ipairs(redis.call('ZRANGEBYSCORE', expiries, '-inf', ARGV[2])) do
    forget(one)
end
if ARGV[1] == 'leave' then
    forget(member)
    return {}
end

redis.call('ZADD', since, ARGV[4], member)
redis.call('ZADD', expiries, ARGV[2] + ARGV[5], member)
redis.call('PEXPIRE', since, ARGV[5])
redis.call('PEXPIRE', expiries, ARGV[5])
local limit = tonumber(ARGV[6])
if redis.call('ZCARD', since) <= limit then
    return {}
end

-- A process listens to its own channel for as long as it lives, and Redis knows at once if not.
local own, alive = string.match(member, '^%S+'), {}
alive[own] = true
for _, one in ipairs(redis.call('ZRANGE', since, 0, -1)) do
    local node = string.match(one, '^%S+')
    if alive[node] == nil then
        alive[node] = redis.call('PUBSUB', 'NUMSUB', 'hub!' .. node)[2] > 0
    end
    if not alive[node] then
        forget(one)
    end
end
local over = redis.call('ZCARD', since) - limit
if over <= 0 then
    return {}
end
local gone = redis.call('ZRANGE', since, 0, over - 1)
for _, one in ipairs(gone) do
    forget(one)
end
return gone
