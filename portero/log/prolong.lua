#!lua flags=allow-oom
-- Moves timers that are set to later times; those that were cleared stay so. Also when memory is full: it takes none, and
-- what is under way must not count as lost because of that.
-- KEYS: timers    ARGV: for each, its new time (ms) and the aggregate
for at = 1, #ARGV, 2 do
  redis.call('ZADD', KEYS[1], 'XX', 'GT', ARGV[at], ARGV[at + 1])
end
return 1
