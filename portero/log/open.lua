#!lua flags=allow-oom
-- Makes the log's head where there is none, and returns it. Also when memory is full: whoever looks must get in.
-- KEYS: head, log    ARGV: an id for a new log    Returns: id, seq, entry, policy
if redis.call('EXISTS', KEYS[1]) == 0 then
  if redis.call('EXISTS', KEYS[2]) == 1 then
    return redis.error_reply('LOGID a log without a head')
  end
  redis.call('HSET', KEYS[1], 'id', ARGV[1], 'seq', 0, 'entry', '0-0', 'policy', 0, 'turned', 0, 'older', 0, 'newer', 0)
end
return redis.call('HMGET', KEYS[1], 'id', 'seq', 'entry', 'policy')
