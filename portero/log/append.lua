#!lua
-- Every write to the log: many appends in one call (group commit), each written whole or refused, one after the other.
--
-- The shebang matters: with it the store refuses the call before it starts when memory is full (OOM) or the server is a
-- replica (READONLY). A script that has started is never stopped half-way.
--
-- KEYS: head, log, timers, void mark of this connection
-- ARGV: key prefix, log id, sequence that the caller has seen, number of appends, then for each append
--   meta, write id, sequence the decision rests on, policy version or '', policy events, writes, blobs, ttl of blobs (s),
--   for each write: aggregate, expected version or '', timer ('=' keep, '' clear, ms), '1' if it ends, work streams, events,
--     names of the work streams, then type and data of each event,
--   for each blob: key, value
-- Returns the entry id of the newest event, then four numbers for each append:
--   1 (written) or 2 (repeated), first sequence, last sequence, policy version
--   3 (version conflict), index of the write, version that stands, 0
--   4 (policy conflict), policy version that stands, 0, 0
-- Errors, before anything is written: LOGID (another log), LOGSEQ (the log went back), LOGVOID (connection declared dead).

local HEAD_SECONDS = 3600
local TURN_SECONDS = 1200

local head_key, log_key, timers_key = KEYS[1], KEYS[2], KEYS[3]
local prefix = ARGV[1]
local call = redis.call

local head = call('HMGET', head_key, 'id', 'seq', 'entry', 'policy', 'turned', 'older', 'newer')
if head[1] ~= ARGV[2] then
  return redis.error_reply('LOGID ' .. (head[1] or 'none'))
end
local seq = tonumber(head[2])
if seq < tonumber(ARGV[3]) then
  return redis.error_reply('LOGSEQ ' .. head[2])
end
if call('EXISTS', KEYS[4]) == 1 then
  return redis.error_reply('LOGVOID this connection was given up')
end
local entry = head[3]
local policy = tonumber(head[4])

-- Heads of finished aggregates expire after an hour. Whoever has seen the log up to `older`, a sequence that was current
-- between 20 and 60 minutes ago, has seen everything about an aggregate whose head is gone; whoever has not may be a
-- process that slept, and is refused. A clock that was set back starts the marks anew.
local now = tonumber(call('TIME')[1])
local turned, older = tonumber(head[5]), tonumber(head[6])
if now >= turned + TURN_SECONDS or now < turned then
  older = (now >= turned and now < turned + 2 * TURN_SECONDS) and tonumber(head[7]) or seq
  call('HSET', head_key, 'turned', now, 'older', older, 'newer', seq)
end

local reply = { '' }
local at = 5
local starts, versions = {}, {}

for _ = 1, tonumber(ARGV[4]) do
  local meta, write, seen, wanted = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2]), ARGV[at + 3]
  local bumps, writes, blobs, ttl = tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5]), tonumber(ARGV[at + 6]), ARGV[at + 7]
  at = at + 8

  -- First look: nothing is written before every write of this append is known to stand.
  local code, one, two, total = 1, 0, 0, 0
  for index = 1, writes do
    local expected = ARGV[at + 1]
    local events = tonumber(ARGV[at + 5])
    local found = call('GET', prefix .. 'a:' .. ARGV[at])
    local version = 0
    if found then
      local v, s, w = string.match(found, '^(%d+) (%d+) (.*)$')
      version = tonumber(v)
      if w == write and code ~= 2 then
        code, two = 2, tonumber(s) - events + 1 - total
      end
    elseif expected ~= '' and seen >= older then
      version = tonumber(expected)
    end
    if code == 1 and expected ~= '' and tonumber(expected) ~= version then
      code, one, two = 3, index, version
    end
    starts[index], versions[index] = at, version
    total = total + events
    at = at + 6 + tonumber(ARGV[at + 4]) + 2 * events
  end
  if code == 1 and wanted ~= '' and tonumber(wanted) ~= policy then
    code, one = 4, policy
  end

  if code == 1 then
    local first = seq + 1
    for index = 1, writes do
      local w = starts[index]
      local aggregate, timer, streams, events = ARGV[w], ARGV[w + 2], tonumber(ARGV[w + 4]), tonumber(ARGV[w + 5])
      local version = versions[index]
      local e = w + 6 + streams
      for _ = 1, events do
        seq, version = seq + 1, version + 1
        entry = call('XADD', log_key, '*', 't', ARGV[e], 's', aggregate, 'v', version, 'n', seq, 'm', meta, 'd', ARGV[e + 1])
        e = e + 2
      end
      local value = version .. ' ' .. seq .. ' ' .. write
      if ARGV[w + 3] == '1' then
        call('SET', prefix .. 'a:' .. aggregate, value, 'EX', HEAD_SECONDS)
      else
        call('SET', prefix .. 'a:' .. aggregate, value)
      end
      if timer == '' then
        call('ZREM', timers_key, aggregate)
      elseif timer ~= '=' then
        call('ZADD', timers_key, timer, aggregate)
      end
      for s = 1, streams do
        call('XADD', prefix .. 'work:' .. ARGV[w + 5 + s], '*', 'n', seq, 's', aggregate, 't', ARGV[e - 2])
      end
    end
    for b = 0, blobs - 1 do
      call('SET', prefix .. 'blob:' .. ARGV[at + 2 * b], ARGV[at + 2 * b + 1], 'EX', ttl)
    end
    policy = policy + bumps
    one, two = first, seq
  elseif code == 2 then
    one, two = two, two + total - 1
  end
  at = at + 2 * blobs

  local n = #reply
  reply[n + 1], reply[n + 2], reply[n + 3] = code, one, two
  reply[n + 4] = code <= 2 and policy or 0
end

if entry ~= head[3] then
  call('HSET', head_key, 'seq', seq, 'entry', entry, 'policy', policy)
end
reply[1] = entry
return reply
