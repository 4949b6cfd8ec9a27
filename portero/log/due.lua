#!lua flags=allow-oom
-- Takes due timers for a while: they ring again unless somebody sets, clears or settles them before.
-- KEYS: timers    ARGV: now (ms), ring again at (ms), how many at most
-- Returns: when the next of the others is due ('' if there is none), then the aggregates taken
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
for _, aggregate in ipairs(due) do
  redis.call('ZADD', KEYS[1], ARGV[2], aggregate)
end
local next = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
table.insert(due, 1, next[2] or '')
return due
