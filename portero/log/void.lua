#!lua flags=allow-oom
-- Declares connections dead, so that nothing that still sits in a buffer on their way is ever written; returns the head.
-- KEYS: head, then the void mark of each connection    Returns: id, seq, entry, policy
for index = 2, #KEYS do
  redis.call('SET', KEYS[index], '1', 'EX', 86400)
end
return redis.call('HMGET', KEYS[1], 'id', 'seq', 'entry', 'policy')
