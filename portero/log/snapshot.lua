#!lua
-- Points to a newer snapshot and drops the older one.
-- KEYS: pointer, the new snapshot's chunks    ARGV: sequence, entry, digest, log id    Returns: 1, or 0 when there is a newer one
local seq = redis.call('HGET', KEYS[1], 'seq')
if seq and tonumber(seq) >= tonumber(ARGV[1]) and redis.call('HGET', KEYS[1], 'log') == ARGV[4] then
  return 0
end
local old = redis.call('HGET', KEYS[1], 'data')
redis.call('HSET', KEYS[1], 'seq', ARGV[1], 'entry', ARGV[2], 'digest', ARGV[3], 'log', ARGV[4], 'data', KEYS[2])
redis.call('PERSIST', KEYS[2])
if old and old ~= KEYS[2] then
  redis.call('UNLINK', old)
end
return 1
