#!lua flags=allow-oom
-- One holder at a time; the epoch grows with every change of hands and never goes back.
-- KEYS: lease, epoch    ARGV: 'take', 'keep' or 'leave', holder, time to live (ms)
-- Returns: the epoch while the holder has the lease, 0 when it has not
local holder = redis.call('GET', KEYS[1])
if ARGV[1] == 'leave' then
  if holder == ARGV[2] then
    redis.call('DEL', KEYS[1])
  end
  return 0
end
if holder == ARGV[2] then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return tonumber(redis.call('GET', KEYS[2]))
end
if holder or ARGV[1] == 'keep' then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return redis.call('INCR', KEYS[2])
