-- Append a publication to a channel's stream and tell every process that is subscribed.
-- One round trip, atomic: idempotency, version, offset, epoch, history, delta base, announcement.
--
-- KEYS  1 meta hash {o offset, e epoch, v version, w version epoch}  2 stream  3 idempotency key
-- ARGV  1 pub/sub channel  2 payload  3 size  4 stream life ms  5 meta life ms  6 fresh epoch
--       7 idempotency life ms (0: none)  8 version (0: none)  9 version epoch  10 delta (0/1)
-- gives {offset, epoch, skipped}
local meta, stream, idem = KEYS[1], KEYS[2], KEYS[3]
local channel, payload = ARGV[1], ARGV[2]
local size, version = tonumber(ARGV[3]), tonumber(ARGV[8])

if ARGV[7] ~= '0' then
    local known = redis.call('HMGET', idem, 'o', 'e')
    if known[1] then
        return { tonumber(known[1]), known[2], 1 }
    end
end

local offset, epoch, previous = 0, '', ''
if size > 0 then
    local head = redis.call('HMGET', meta, 'o', 'e', 'v', 'w')
    epoch = head[2]
    if not epoch then
        epoch = ARGV[6]
        redis.call('DEL', stream)
        redis.call('HSET', meta, 'e', epoch)
    end
    if version > 0 and head[3] and head[4] == ARGV[9] and tonumber(head[3]) >= version then
        return { tonumber(head[1] or '0'), epoch, 1 }
    end
    if ARGV[10] == '1' then
        local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)
        if last[1] then
            previous = last[1][2][2]
        end
    end
    offset = redis.call('HINCRBY', meta, 'o', 1)
    if version > 0 then
        redis.call('HSET', meta, 'v', ARGV[8], 'w', ARGV[9])
    end
    redis.call('XADD', stream, 'MAXLEN', size, offset .. '-0', 'd', payload)
    redis.call('PEXPIRE', stream, ARGV[4])
    redis.call('PEXPIRE', meta, ARGV[5])
end

redis.call('PUBLISH', channel, 'p' .. cmsgpack.pack({ offset, epoch, payload, previous }))
if ARGV[7] ~= '0' then
    redis.call('HSET', idem, 'o', offset, 'e', epoch)
    redis.call('PEXPIRE', idem, ARGV[7])
end
return { offset, epoch, 0 }
