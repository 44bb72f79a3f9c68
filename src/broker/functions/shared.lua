-- Shared by all functions of the library. Every function takes one key, the shard's tag ("{tf:low:0}"); all other keys
-- of the shard begin with it, so they share its cluster slot. Names of keys: src/broker/keys.ts.
--
--   <tag>:task:<id>   string  head "\n" payload; head = queue, priority, owner, maxAttempts, timeoutMs, type, backoff where
--                             it is not the default one, and traceparent where the task is traced (then backoff stands
--                             there in any case, or is empty; tab between). There while the task is live in Redis. A task
--                             that waited for others has one line more: what became of them (a JSON object).
--   <tag>:run:<id>    string  seq, attempt, token, worker, head (tab between); there from the first claim on. An empty
--                             token: nobody holds the task.
--   <tag>:line:<priority>|<queue>|<type>   list of waiting ids; the right end is next
--   <tag>:lines       set     of the lines that are not empty
--   <tag>:wake:<queue>|<type>, <tag>:wake:*|<type>   list with at most one token: a worker blocked here should claim
--   <tag>:scheduled   zset    id -> due, ms          <tag>:timer  list with at most one token: the promoter should look
--   <tag>:leases      zset    id -> lease expiry, ms
--   <tag>:cancelling  hash    id -> reason (JSON) of running tasks that were told to stop
--   <tag>:cancel-deadlines  zset  id -> when it is ended without its worker, ms
--   <tag>:stale       hash    id -> how many times it stands in a line though it was taken out (cancelled)
--   <tag>:purges      hash    operation -> how many tasks it has ended here; gone a day after the last one
--   <tag>:paused      set     of queues from which nothing is claimed
--   <tag>:counts      hash    <queue>|<STATUS> -> number
--   <tag>:{owners}:counts  hash  <owner>|<STATUS> -> number. Ends as `counts` does, so that workers' rights cover both
--   <tag>:events      stream  at (ms), e (lines: id, seq, status, attempt, owner, queue, type, worker, runAt, data,
--                             and traceparent of a task that is traced); or
--                             at, p (lines: id, owner, attempt, percent, detail); or
--                             at, l (lines: id, owner, attempt, seq of the attempt's claim, number, record)
--   <tag>:meta        hash    epoch, state, runId of the server's process. Without it the shard lost its data and nothing may
--                             happen here until it is rebuilt. With the runId of another process it may have: until then
--                             attempts may be reported, and nothing else.

-- Redis seeds its random numbers alike at each call; here jitter and turns must differ between calls.
local function now_ms()
  local time = redis.call('TIME')
  math.randomseed(tonumber(time[2]))
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Numbers of transitions and attempts as texts. Lua writes numbers out as floating ones, which took a tenth of a claim.
local SMALL_NUMBERS = {}
for n = 0, 99 do SMALL_NUMBERS[n] = n .. '' end
local function text_of(n)
  return SMALL_NUMBERS[n] or n .. ''
end

-- Names this process of the server. Asked for once: what a library keeps lives as long as the process.
local own_run_id
local function run_id()
  own_run_id = own_run_id or string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
  return own_run_id
end

-- Whether the shard was opened in another process of the server: after a restart the last second may be missing, and a
-- replica that took over may lack the last writes.
local function is_inherited(tag)
  local opened_in = redis.call('HGET', tag .. ':meta', 'runId')
  return opened_in and opened_in ~= run_id()
end

-- Whether workers may report attempts. They may where the shard is inherited, too: what a token says is then old, but true,
-- and PostgreSQL takes the attempt's end only if nothing else became of the task.
local function takes_reports(tag)
  return redis.call('HGET', tag .. ':meta', 'epoch') ~= false
end

-- The shard's epoch, or nil where the shard lost its data, or may have, and waits to be rebuilt.
local function read_epoch(tag)
  local epoch = redis.call('HGET', tag .. ':meta', 'epoch')
  if not epoch or is_inherited(tag) then return nil end
  return epoch
end

local function not_ready()
  return redis.error_reply('NOTREADY the shard waits to be rebuilt')
end

local function parse_head(head)
  local queue, priority, owner, max, timeout, type, backoff, trace =
    string.match(head, '^([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t?([^\t]*)\t?(.*)$')
  return { text = head, queue = queue, priority = priority, owner = owner, max = tonumber(max), timeout = timeout, type = type,
    backoff = backoff, trace = trace }
end

-- The same, parsed once a batch: most tasks of a batch have the same head.
local function head_of(batch, text)
  local head = batch.heads[text]
  if not head then
    head = parse_head(text)
    batch.heads[text] = head
  end
  batch.last_head = head
  return head
end

-- The head that stands in `text` from `first` to `last`. To cut it out would hash it, as Redis' Lua does with each new string, all
-- of it. So the one before is looked for first: that and fewer strings elsewhere took an eighth off claims and completions.
local function head_within(batch, text, first, last)
  local before = batch.last_head
  if before and #before.text == last - first + 1 and string.find(text, before.text, first, true) == first then return before end
  return head_of(batch, string.sub(text, first, last))
end

-- The head alone, unparsed.
local function head_text_of(body)
  return string.sub(body, 1, string.find(body, '\n', 1, true) - 1)
end

-- The head of a task of a batch, its payload, and what became of the tasks that it waited for ('' where it waited for none).
local function read_body(batch, body)
  local at = string.find(body, '\n', 1, true)
  local head, parents_at = head_within(batch, body, 1, at - 1), string.find(body, '\n', at + 1, true)
  if not parents_at then return head, string.sub(body, at + 1), '' end
  return head, string.sub(body, at + 1, parents_at - 1), string.sub(body, parents_at + 1)
end

-- The run of a task as a table, or nil where it has none. `head` is the unparsed head.
local function parse_run(text)
  if not text then return nil end
  local seq, attempt, token, worker, head = string.match(text, '^(%d+)\t(%d+)\t([^\t]*)\t([^\t]*)\t(.*)$')
  return { seq = tonumber(seq), attempt = tonumber(attempt), token = token, worker = worker, head = head }
end

local function read_run(tag, id)
  return parse_run(redis.call('GET', tag .. ':run:' .. id))
end

local function run_text(run)
  return text_of(run.seq) .. '\t' .. text_of(run.attempt) .. '\t' .. run.token .. '\t' .. run.worker .. '\t' .. run.head
end

local function write_run(tag, id, run)
  redis.call('SET', tag .. ':run:' .. id, run_text(run))
end

-- Calls from Lua cost about a microsecond each, and each write its own line of the append-only file: a batch asks for and
-- writes many keys with one call. `first` to `last` of `ids` become the names of their keys.
local function keys_of(prefix, ids, first, last)
  local keys = {}
  for i = first or 1, last or #ids do keys[#keys + 1] = prefix .. ids[i] end
  return keys
end

-- Lua's stack takes some thousand values.
local MAX_UNPACKED = 2000

-- One command with any number of arguments after its key (or without a key): as many calls as Lua's stack makes necessary.
-- `step` arguments belong together.
local function call_many(command, key, args, step)
  local most = MAX_UNPACKED - MAX_UNPACKED % (step or 1)
  for first = 1, #args, most do
    local last = math.min(first + most - 1, #args)
    if key then redis.call(command, key, unpack(args, first, last)) else redis.call(command, unpack(args, first, last)) end
  end
end

local function forget(tag, id)
  redis.call('DEL', tag .. ':task:' .. id, tag .. ':run:' .. id)
end

-- Whether a queue is paused. Asked once a queue and batch; most shards have no paused queue at all.
local function is_paused(batch, queue)
  if batch.paused == nil then batch.paused = redis.call('EXISTS', batch.tag .. ':paused') == 1 and {} or false end
  if not batch.paused then return false end
  if batch.paused[queue] == nil then batch.paused[queue] = redis.call('SISMEMBER', batch.tag .. ':paused', queue) == 1 end
  return batch.paused[queue]
end

-- One batch of changes: what it counts, wakes and announces is collected and written once, by commit().
local function new_batch(tag)
  return { tag = tag, now = now_ms(), fields = {}, field_count = 0, counts = {}, touched = {}, heads = {}, timer = false }
end

-- By head, of which a batch has few: the names of the counts are put together by commit().
local function count(batch, head, status, by)
  local counts = batch.counts[head]
  if not counts then
    counts = {}
    batch.counts[head] = counts
  end
  counts[status] = (counts[status] or 0) + by
end

-- A count is gone with its last task. It is never below 0: tasks from before owners were counted leave uncounted.
local function add_counts(key, counts)
  for field, by in pairs(counts) do
    if by ~= 0 and redis.call('HINCRBY', key, field, by) <= 0 then redis.call('HDEL', key, field) end
  end
end

local function write_counts(tag, counts)
  local queues, owners = {}, {}
  for head, by_status in pairs(counts) do
    for status, by in pairs(by_status) do
      local of_queue, of_owner = head.queue .. '|' .. status, head.owner .. '|' .. status
      queues[of_queue] = (queues[of_queue] or 0) + by
      owners[of_owner] = (owners[of_owner] or 0) + by
    end
  end
  add_counts(tag .. ':counts', queues)
  add_counts(tag .. ':{owners}:counts', owners)
end

-- Values come from workers in any language. Raw tabs and newlines are only white space in JSON, but here they would
-- end a field; PostgreSQL has no NUL.
local function one_line(data)
  if string.find(data, '[%z\t\r\n]') then return (string.gsub(data, '[%z\t\r\n]', ' ')) end
  return data
end

-- Appends a transition to the batch. `from` and `to` must be a legal move (LEGAL_MOVES comes from task-state.ts).
local function transition(batch, id, from, to, seq, attempt, head, worker, run_at, data)
  if not LEGAL_MOVES[from][to] then error('illegal move ' .. from .. ' -> ' .. to .. ' of ' .. id) end
  if LIVE[from] then count(batch, head, from, -1) end
  if LIVE[to] then count(batch, head, to, 1) end
  local fields, n = batch.fields, batch.field_count
  -- Joined by tabs all at once, in commit(): a string for each line would be hashed beside the whole. So the last field of a
  -- line and the first one of the next are one here.
  if n == 0 then n = 1 end
  fields[n] = fields[n] and fields[n] .. '\n' .. id or id
  fields[n + 1], fields[n + 2], fields[n + 3], fields[n + 4] = text_of(seq), to, text_of(attempt), head.owner
  fields[n + 5], fields[n + 6], fields[n + 7], fields[n + 8] = head.queue, head.type, one_line(worker), run_at
  fields[n + 9] = head.trace == '' and one_line(data) or one_line(data) .. '\t' .. head.trace
  batch.field_count = n + 9
end

local function line_of(head)
  return head.priority .. '|' .. head.queue .. '|' .. head.type
end

-- Puts an id into its line: at the back, or at the front (next to be claimed) when handed back.
local function push(batch, id, head, front)
  local line = line_of(head)
  redis.call(front and 'RPUSH' or 'LPUSH', batch.tag .. ':line:' .. line, id)
  batch.touched[line] = head
end

local function schedule(batch, id, due)
  redis.call('ZADD', batch.tag .. ':scheduled', due, id)
  local first = redis.call('ZRANGE', batch.tag .. ':scheduled', 0, 0)[1]
  if first == id then batch.timer = true end
end

-- A list that already holds a token wakes one more worker than needed at worst; a list without one is a lost wake-up.
local function give_token(key)
  if redis.call('EXISTS', key) == 0 then redis.call('RPUSH', key, '1') end
end

-- Workers of a paused queue sleep on: it would cost them a claim for nothing.
local function wake(batch, queue, type)
  if is_paused(batch, queue) then return end
  give_token(batch.tag .. ':wake:' .. queue .. '|' .. type)
  give_token(batch.tag .. ':wake:*|' .. type)
end

local function commit(batch)
  local tag = batch.tag
  write_counts(tag, batch.counts)
  for line, head in pairs(batch.touched) do
    redis.call('SADD', tag .. ':lines', line)
    wake(batch, head.queue, head.type)
  end
  if batch.timer then give_token(tag .. ':timer') end
  if batch.field_count > 0 then
    -- One entry a batch: an XADD an event halves the throughput of the whole shard.
    redis.call('XADD', tag .. ':events', '*', 'at', batch.now, 'e', table.concat(batch.fields, '\t'))
  end
end

-- A task that was cancelled while it waited still stands in its line, since taking it out there means to search the line.
-- It may have been put back since, and stand there twice: as many times as it is stale, it is passed over.
local function is_stale(batch, id)
  if batch.has_stale == nil then batch.has_stale = redis.call('EXISTS', batch.tag .. ':stale') == 1 end
  if not batch.has_stale or redis.call('HEXISTS', batch.tag .. ':stale', id) == 0 then return false end
  if redis.call('HINCRBY', batch.tag .. ':stale', id, -1) == 0 then redis.call('HDEL', batch.tag .. ':stale', id) end
  return true
end

-- Ends a task that waits, and that the caller has taken out of its line or out of the scheduled ones; returns its new seq.
local function end_waiting(batch, id, head, status, reason)
  local run = read_run(batch.tag, id) or { seq = 1, attempt = 0 }
  forget(batch.tag, id)
  transition(batch, id, status, 'CANCELLED', run.seq + 1, run.attempt, head, '', '', reason)
  return run.seq + 1
end

-- The run that `token` entitles to, with its parsed head; nil when the lease was lost.
local function held_run(tag, id, token)
  local run = read_run(tag, id)
  if not run or run.token == '' or run.token ~= token then return nil end
  return run, parse_head(run.head)
end

-- Ends the lease and keeps the task for a later attempt.
local function let_go(batch, id, run)
  redis.call('ZREM', batch.tag .. ':leases', id)
  run.token = ''
  run.worker = ''
  write_run(batch.tag, id, run)
end

-- Why this running task was told to stop, as JSON; nil where it was not. Asked for once a batch, since most have none.
local function cancel_reason(batch, id)
  if batch.cancelling == nil then batch.cancelling = redis.call('EXISTS', batch.tag .. ':cancelling') == 1 end
  return batch.cancelling and redis.call('HGET', batch.tag .. ':cancelling', id) or nil
end

-- Ends an attempt whose task was told to stop: it is CANCELLED, however the attempt went. Returns whether it was so.
local function end_if_cancelled(batch, id, run, head, worker)
  local reason = cancel_reason(batch, id)
  if not reason then return false end
  redis.call('HDEL', batch.tag .. ':cancelling', id)
  redis.call('ZREM', batch.tag .. ':cancel-deadlines', id)
  redis.call('ZREM', batch.tag .. ':leases', id)
  forget(batch.tag, id)
  transition(batch, id, 'PROCESSING', 'CANCELLED', run.seq + 1, run.attempt, head, worker, '', reason)
  return true
end
