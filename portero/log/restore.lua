#!lua
-- Makes an empty store the home of a log that is in an archive, as far as it was archived.
-- KEYS: head, log, timers
-- ARGV: log id, last event, its entry, policy version, prefix of heads, how many timers, then these: aggregate, due time
--   (ms), then the heads of aggregates that go on: aggregate, version
-- Returns: 1. Error, with nothing written: LOGID when the store holds events.
local seq = tonumber(redis.call('HGET', KEYS[1], 'seq') or 0)
if seq > 0 or redis.call('EXISTS', KEYS[2]) == 1 then
  return redis.error_reply('LOGID the store holds a log')
end
local now = redis.call('TIME')[1]
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'seq', ARGV[2], 'entry', ARGV[3], 'policy', ARGV[4], 'trimmed', ARGV[2])
redis.call('HSET', KEYS[1], 'turned', now, 'older', ARGV[2], 'newer', ARGV[2])
redis.call('XADD', KEYS[2], ARGV[3], 'restored', ARGV[2]) -- entries go on behind this one, whatever the clock says
redis.call('XDEL', KEYS[2], ARGV[3])
local heads = 7 + 2 * ARGV[6]
for at = 7, heads - 1, 2 do
  redis.call('ZADD', KEYS[3], ARGV[at + 1], ARGV[at])
end
for at = heads, #ARGV, 2 do
  redis.call('SET', ARGV[5] .. ARGV[at], ARGV[at + 1] .. ' ' .. ARGV[2] .. ' restored')
end
return 1
