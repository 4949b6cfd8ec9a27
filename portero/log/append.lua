#!lua
-- Every write to the log: many appends in one call (group commit), each written whole or refused, one after the other.
--
-- The shebang matters: with it the store refuses the call before it starts when memory is full (OOM) or the server is a
-- replica (READONLY). A script that has started is never stopped half-way.
--
-- KEYS: head, log, timers, void mark of this connection
-- ARGV: key prefix, log id, sequence that the caller has seen, then for each append a MessagePack array of
--   meta, write id, sequence the decision rests on, policy version or false, policy events, blobs, ttl of blobs (s), writes,
--   for each write: aggregate, expected version or false, timer ('=' keep, false clear, or ms), whether it ends, work streams,
--     events, names of the work streams, then type and data of each event,
-- followed by key and value of each blob
-- A write without events is a fence: nothing is written to that aggregate, but the append stands only if it has just that
-- version. It is never believed by what its writer has seen: an aggregate that is not there has version 0.
-- A write that expects nothing goes on where its aggregate stands. Of one that has no head it is not known whether it is
-- new or ended long ago, so its version becomes the sequence of the event, which no version before it can have reached:
-- versions of one aggregate only grow, whoever writes and however late.
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
local starts, heads, versions = {}, {}, {}

local at = 4
while at <= #ARGV do
  local a = cmsgpack.unpack(ARGV[at])
  local write, seen, wanted, blobs, writes = a[2], a[3], a[4], a[6], a[8]

  -- First look: nothing is written before every write of this append is known to stand.
  local code, one, two, total = 1, 0, 0, 0
  local w = 9
  for index = 1, writes do
    local expected, events = a[w + 1], a[w + 5]
    local key = prefix .. 'a:' .. a[w]
    local found = call('GET', key)
    local version = 0
    if found then
      local v, last, writer = string.match(found, '^(%d+) (%d+) (.*)$')
      version = tonumber(v)
      if writer == write and code ~= 2 then
        code, two = 2, tonumber(last) - events + 1 - total
      end
    elseif expected and events > 0 and seen >= older then
      version = expected
    end
    if code == 1 and expected and expected ~= version then
      code, one, two = 3, index, version
    end
    starts[index], heads[index], versions[index] = w, key, (found or expected) and version
    total = total + events
    w = w + 6 + a[w + 4] + 2 * events
  end
  if code == 1 and wanted and wanted ~= policy then
    code, one = 4, policy
  end

  if code == 1 then
    local first, meta = seq + 1, a[1]
    for index = 1, writes do
      local w, version = starts[index], versions[index] or seq
      local aggregate, timer = a[w], a[w + 2]
      local e = w + 6 + a[w + 4]
      local past = e + 2 * a[w + 5]
      while e < past do
        seq, version = seq + 1, version + 1
        entry = call('XADD', log_key, '*', 't', a[e], 's', aggregate, 'v', version, 'n', seq, 'm', meta, 'd', a[e + 1])
        e = e + 2
      end
      if a[w + 5] > 0 then
        local value = version .. ' ' .. seq .. ' ' .. write
        if a[w + 3] then
          call('SET', heads[index], value, 'EX', HEAD_SECONDS)
        else
          call('SET', heads[index], value)
        end
        if not timer then
          call('ZREM', timers_key, aggregate)
        elseif timer ~= '=' then
          call('ZADD', timers_key, timer, aggregate)
        end
      end
      for s = w + 6, w + 5 + a[w + 4] do
        call('XADD', prefix .. 'work:' .. a[s], '*', 'n', seq, 's', aggregate, 't', a[past - 2])
      end
    end
    for b = at + 1, at + 2 * blobs, 2 do
      call('SET', prefix .. 'blob:' .. ARGV[b], ARGV[b + 1], 'EX', a[7])
    end
    policy = policy + a[5]
    one, two = first, seq
  elseif code == 2 then
    one, two = two, two + total - 1
  end
  at = at + 1 + 2 * blobs

  local n = #reply
  reply[n + 1], reply[n + 2], reply[n + 3] = code, one, two
  reply[n + 4] = code <= 2 and policy or 0
end

if entry ~= head[3] then
  call('HSET', head_key, 'seq', seq, 'entry', entry, 'policy', policy)
end
reply[1] = entry
return reply
