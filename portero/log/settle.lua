#!lua flags=allow-oom
-- After a timer was answered: sets its next time, or clears it, unless an append has done so meanwhile.
-- KEYS: timers    ARGV: aggregate, the time it was taken until, next time (ms) or ''
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not score or tonumber(score) ~= tonumber(ARGV[2]) then
  return 0
end
if ARGV[3] == '' then
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
end
return 1
