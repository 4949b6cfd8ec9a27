#!lua flags=allow-oom
-- Removes consumers that are gone and left nothing behind. In one step: one that gets work in between must stay, or its
-- work would be lost with it.
-- KEYS: work stream    ARGV: group, idle for at least (ms), a consumer to keep    Returns: the names removed
local removed = {}
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local info = {}
  for i = 1, #consumer, 2 do
    info[consumer[i]] = consumer[i + 1]
  end
  if info.pending == 0 and info.idle >= tonumber(ARGV[2]) and info.name ~= ARGV[3] then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], info.name)
    removed[#removed + 1] = info.name
  end
end
return removed
