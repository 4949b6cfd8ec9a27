#!lua flags=allow-oom
-- One holder at a time; the epoch grows with every change of hands and never goes back, nor to where it was known to be.
-- KEYS: lease, epoch    ARGV: 'take', 'keep' or 'leave', holder, time to live (ms), an epoch that was before
-- Returns: the epoch while the holder has the lease; else 0, or how long another one still has it (ms, as a negative)
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
if holder then
  return -math.max(1, redis.call('PTTL', KEYS[1]))
end
if ARGV[1] == 'keep' then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
local epoch = redis.call('INCR', KEYS[2])
if epoch <= tonumber(ARGV[4]) then
  epoch = tonumber(ARGV[4]) + 1
  redis.call('SET', KEYS[2], epoch)
end
return epoch
