-- tf1_claim: gives waiting tasks to a worker, with a lease.
--   args    worker, limit (tasks), leaseMs, lowFirst ('1' or '0'), queues (comma between, or '*'), types (comma between),
--           traces ('1': the worker knows what to do with them; may be missing)
--   returns a flat list, per task: id, token, attempt, maxAttempts, timeoutMs ('' for none), owner, queue, type, payload,
--           parents (what became of the tasks that it waited for: JSON, or '' for none); where the worker asked for traces,
--           and any of the tasks has one, a last element: a line for each that has, with id and traceparent (tab between)
--   errors  NOTREADY
--   events  PROCESSING
-- Higher priorities go first, unless lowFirst; lines of the same priority take turns in random order. A reply holds at
-- most 4 MiB of payloads and one payload more, so that one call cannot block Redis for long.
local MAX_CLAIM_BYTES = 4 * 1024 * 1024
local CLAIM_FIELDS = 10
-- Ids that are taken out of a line together: their bodies are read whole, before it is known how large they are.
local FIRST_CHUNK, MAX_CHUNK = 8, 64
local PRIORITIES = { { 'HIGH', 'NORMAL', 'LOW' }, { 'LOW', 'NORMAL', 'HIGH' } }

local function to_set(text)
  local set = {}
  for word in string.gmatch(text, '[^,]+') do set[word] = true end
  return set
end

-- The lines this worker serves, by priority.
local function served_lines(batch, queues, types)
  local tag = batch.tag
  local by_priority = { HIGH = {}, NORMAL = {}, LOW = {} }
  for _, line in ipairs(redis.call('SMEMBERS', tag .. ':lines')) do
    local priority, queue, type = string.match(line, '^(%u+)|([^|]*)|(.*)$')
    if types[type] and (queues['*'] or queues[queue]) and not is_paused(batch, queue) then
      local list = by_priority[priority]
      -- Inserting at a random place shuffles the list.
      table.insert(list, math.random(#list + 1), { key = tag .. ':line:' .. line, name = line, queue = queue, type = type })
    end
  end
  return by_priority
end

-- Gives one task to the worker. Its run and its lease are written with those of the whole chunk.
local function claim_one(batch, id, body, run_key, run, claimed)
  local reply = claimed.reply
  local head, payload, parents = read_body(batch, body)
  run = run or { seq = 1, attempt = 0 }
  run.seq, run.attempt, run.worker, run.head = run.seq + 1, run.attempt + 1, claimed.worker, head.text
  run.token = claimed.epoch .. '.' .. text_of(run.seq)
  local runs, leases = claimed.runs, claimed.leases
  runs[#runs + 1], runs[#runs + 2] = run_key, run_text(run)
  leases[#leases + 1], leases[#leases + 2] = claimed.expiry, id
  transition(batch, id, 'QUEUED', 'PROCESSING', run.seq, run.attempt, head, claimed.worker, '', '')
  local n = #reply
  reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] = id, run.token, run.attempt, head.max
  reply[n + 5], reply[n + 6], reply[n + 7], reply[n + 8] = head.timeout, head.owner, head.queue, head.type
  reply[n + 9], reply[n + 10] = payload, parents
  if head.trace ~= '' then claimed.traces[#claimed.traces + 1] = id .. '\t' .. head.trace end
  claimed.bytes = claimed.bytes + #payload + #parents
end

-- Gives a chunk of ids that were taken out of their line to the worker; those that are too much are put back.
local function claim_chunk(batch, line, ids, claimed)
  local bodies = redis.call('MGET', unpack(keys_of(batch.tag .. ':task:', ids)))
  local run_keys = keys_of(batch.tag .. ':run:', ids)
  local runs = redis.call('MGET', unpack(run_keys))
  for n, id in ipairs(ids) do
    if claimed.bytes >= MAX_CLAIM_BYTES then
      for i = #ids, n, -1 do redis.call('RPUSH', line.key, ids[i]) end
      return
    end
    if not is_stale(batch, id) and bodies[n] then
      claim_one(batch, id, bodies[n], run_keys[n], parse_run(runs[n]), claimed)
    end
  end
end

-- How many to take out of a line at once: few where the payloads so far were large, since a chunk is read as a whole.
local function chunk_size(claimed, limit)
  local count = #claimed.reply / CLAIM_FIELDS
  local most = FIRST_CHUNK
  if count > 0 then
    local left = MAX_CLAIM_BYTES - claimed.bytes
    most = math.min(MAX_CHUNK, math.max(1, math.floor(left / (claimed.bytes / count + 1))))
  end
  return math.min(limit - count, most)
end

-- Takes from one line until the worker has enough or the line is empty.
local function claim_line(batch, line, limit, claimed)
  while #claimed.reply / CLAIM_FIELDS < limit and claimed.bytes < MAX_CLAIM_BYTES do
    local ids = redis.call('RPOP', line.key, chunk_size(claimed, limit))
    if not ids then return end
    claim_chunk(batch, line, ids, claimed)
  end
end

redis.register_function('tf1_claim', function(keys, args)
  local tag, worker, limit = keys[1], one_line(args[1]), tonumber(args[2])
  local epoch = read_epoch(tag)
  if not epoch then return not_ready() end
  local batch, left = new_batch(tag), {}
  local expiry = string.format('%.0f', batch.now + tonumber(args[3]))
  local claimed = { worker = worker, epoch = epoch, expiry = expiry, bytes = 0, reply = {}, runs = {}, leases = {}, traces = {} }
  local by_priority = served_lines(batch, to_set(args[5]), to_set(args[6]))
  for _, priority in ipairs(PRIORITIES[args[4] == '1' and 2 or 1]) do
    for _, line in ipairs(by_priority[priority]) do
      claim_line(batch, line, limit, claimed)
      if redis.call('EXISTS', line.key) == 0 then
        redis.call('SREM', tag .. ':lines', line.name)
        -- Its token would stay for ever where all workers serve all queues.
        redis.call('DEL', tag .. ':wake:' .. line.queue .. '|' .. line.type)
      else
        left[#left + 1] = line
      end
    end
  end
  -- More is left than this worker took: the next one is woken in turn, so that one token starts them all.
  for _, line in ipairs(left) do wake(batch, line.queue, line.type) end
  call_many('MSET', nil, claimed.runs, 2)
  call_many('ZADD', tag .. ':leases', claimed.leases, 2)
  commit(batch)
  if args[7] == '1' and #claimed.traces > 0 then claimed.reply[#claimed.reply + 1] = table.concat(claimed.traces, '\n') end
  return claimed.reply
end)
