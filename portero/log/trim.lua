#!lua flags=allow-oom
-- Takes events off the stream that are archived and that no start needs: all before `first`, where a segment begins.
-- KEYS: head, log, snapshot, epoch of the archivist's lease
-- ARGV: log id, epoch, first event to stay, its entry, how many events to keep at least
-- Returns: 1 (trimmed) or 0 (not yet: the newest snapshot does not go so far, or too few would be left)
-- Errors: LOGID (another log), EPOCH (another archivist has taken over), LOGSEQ (that entry is not that event)
local head = redis.call('HMGET', KEYS[1], 'id', 'seq', 'trimmed')
if head[1] ~= ARGV[1] then
  return redis.error_reply('LOGID ' .. (head[1] or 'none'))
end
if redis.call('GET', KEYS[4]) ~= ARGV[2] then
  return redis.error_reply('EPOCH another archivist has taken over')
end
local first = tonumber(ARGV[3])
local snapshot = redis.call('HMGET', KEYS[3], 'log', 'seq')
if snapshot[1] ~= ARGV[1] or tonumber(snapshot[2]) < first - 1 then
  return 0
end
if first - 1 <= tonumber(head[3] or 0) or tonumber(head[2]) - first + 1 < tonumber(ARGV[5]) then
  return 0
end
local found = redis.call('XRANGE', KEYS[2], ARGV[4], ARGV[4])
if #found == 0 or found[1][2][8] ~= ARGV[3] then
  return redis.error_reply('LOGSEQ entry ' .. ARGV[4] .. ' is not event ' .. ARGV[3])
end
redis.call('HSET', KEYS[1], 'trimmed', first - 1)
redis.call('XTRIM', KEYS[2], 'MINID', ARGV[4])
return 1
