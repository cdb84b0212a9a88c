-- Read a stream together with its position; a stream without an epoch gets one.
--
-- KEYS  1 meta hash  2 stream
-- ARGV  1 fresh epoch  2 meta life ms  3 after (or, reversed, before) this offset; -1: from the end
--       4 how many; 0: only the position; -1: all  5 reverse (0/1)
-- gives {offset, epoch, {offset, payload, offset, payload, …}}
local meta, stream = KEYS[1], KEYS[2]
local since, count = tonumber(ARGV[3]), tonumber(ARGV[4])
local head = redis.call('HMGET', meta, 'o', 'e')
local offset, epoch = tonumber(head[1] or '0'), head[2]
if not epoch then
    epoch = ARGV[1]
    redis.call('DEL', stream)
    redis.call('HSET', meta, 'e', epoch)
end
redis.call('PEXPIRE', meta, ARGV[2])

local entries = {}
if count ~= 0 and not (ARGV[5] == '1' and since == 0) then
    local command
    if ARGV[5] == '1' then
        local top = since > 0 and (since - 1) .. '-0' or '+'
        command = { 'XREVRANGE', stream, top, '-' }
    else
        local bottom = since >= 0 and (since + 1) .. '-0' or '-'
        command = { 'XRANGE', stream, bottom, '+' }
    end
    if count > 0 then
        command[#command + 1] = 'COUNT'
        command[#command + 1] = count
    end
    for _, entry in ipairs(redis.call(unpack(command))) do
        entries[#entries + 1] = tonumber(string.match(entry[1], '^%d+'))
        entries[#entries + 1] = entry[2][2]
    end
end
return { offset, epoch, entries }
