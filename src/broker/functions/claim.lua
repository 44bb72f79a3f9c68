-- tf1_claim: gives waiting tasks to a worker, with a lease.
--   args    worker, limit (tasks), leaseMs, lowFirst ('1' or '0'), queues (comma between, or '*'), types (comma between)
--   returns a flat list, per task: id, token, attempt, maxAttempts, timeoutMs ('' for none), owner, queue, type, payload,
--           parents (what became of the tasks that it waited for: JSON, or '' for none)
--   errors  NOTREADY
--   events  PROCESSING
-- Higher priorities go first, unless lowFirst; lines of the same priority take turns in random order. A reply holds at
-- most 4 MiB of payloads and one payload more, so that one call cannot block Redis for long.
local MAX_CLAIM_BYTES = 4 * 1024 * 1024
local CLAIM_FIELDS = 10
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

local function claim_one(batch, id, worker, epoch, expiry, reply)
  local tag = batch.tag
  if is_stale(batch, id) then return 0 end
  local body = redis.call('GET', tag .. ':task:' .. id)
  if not body then return 0 end
  local head_text, payload, parents = split_body(body)
  local head = parse_head(head_text)
  local run = read_run(tag, id) or { seq = 1, attempt = 0 }
  run.seq, run.attempt, run.worker, run.head = run.seq + 1, run.attempt + 1, worker, head_text
  run.token = epoch .. '.' .. run.seq
  write_run(tag, id, run)
  redis.call('ZADD', tag .. ':leases', expiry, id)
  transition(batch, id, 'QUEUED', 'PROCESSING', run.seq, run.attempt, head, worker, '', '')
  local n = #reply
  reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] = id, run.token, run.attempt, head.max
  reply[n + 5], reply[n + 6], reply[n + 7], reply[n + 8] = head.timeout, head.owner, head.queue, head.type
  reply[n + 9], reply[n + 10] = payload, parents
  return #payload + #parents
end

-- Undoes the taking of ids[from] and those after it.
local function put_back(line, ids, from)
  for i = #ids, from, -1 do redis.call('RPUSH', line.key, ids[i]) end
end

redis.register_function('tf1_claim', function(keys, args)
  local tag, worker, limit = keys[1], one_line(args[1]), tonumber(args[2])
  local epoch = read_epoch(tag)
  if not epoch then return not_ready() end
  local batch, reply, bytes, left = new_batch(tag), {}, 0, {}
  local expiry = batch.now + tonumber(args[3])
  local by_priority = served_lines(batch, to_set(args[5]), to_set(args[6]))
  for _, priority in ipairs(PRIORITIES[args[4] == '1' and 2 or 1]) do
    for _, line in ipairs(by_priority[priority]) do
      while #reply / CLAIM_FIELDS < limit and bytes < MAX_CLAIM_BYTES do
        local ids = redis.call('RPOP', line.key, math.min(limit - #reply / CLAIM_FIELDS, 100))
        if not ids then break end
        for n, id in ipairs(ids) do
          if bytes < MAX_CLAIM_BYTES then
            bytes = bytes + claim_one(batch, id, worker, epoch, expiry, reply)
          else
            put_back(line, ids, n)
            break
          end
        end
      end
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
  commit(batch)
  return reply
end)
