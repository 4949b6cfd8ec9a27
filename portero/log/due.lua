#!lua flags=allow-oom
-- Takes due timers for a while: they ring again unless somebody sets, clears or settles them before.
-- Due is what is due by both clocks, the caller's and the store's: a machine whose clock runs ahead ends nothing early.
-- KEYS: timers    ARGV: now (ms), ring again after (ms), how many at most
-- Returns: the store's time (ms), until when they are taken, when the next of the others is due ('' if there is none),
--   then the aggregates taken
local time = redis.call('TIME')
local store = time[1] * 1000 + math.floor(time[2] / 1000)
local now = math.min(tonumber(ARGV[1]), store)
local again = now + tonumber(ARGV[2])
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[3])
for _, aggregate in ipairs(due) do
  redis.call('ZADD', KEYS[1], again, aggregate)
end
local next = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return { store, again, next[2] or '', due }
