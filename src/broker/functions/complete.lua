-- tf1_complete: ends attempts with a result.
--   args    worker, then per task: id, token, result (JSON)
--   returns the ids whose lease was lost: for them nothing was written
--   errors  NOTREADY
--   events  COMPLETED, with the result; CANCELLED for a task that was told to stop
local RUN = '^(%d+)\t(%d+)\t([^\t]*)\t[^\t]*\t()'

-- The run that a task has, with its head parsed; nil where it has none.
local function run_within(batch, text, key)
  if not text then return nil end
  local seq, attempt, token, head_at = string.match(text, RUN)
  return { key = key, seq = tonumber(seq), attempt = tonumber(attempt), token = token, head = head_within(batch, text, head_at, #text) }
end

-- The runs by id. Each is taken out once it ended: a call may name a task twice.
local function read_runs(batch, ids)
  local runs, keys = {}, keys_of(batch.tag .. ':run:', ids)
  for first = 1, #ids, MAX_UNPACKED do
    local last = math.min(first + MAX_UNPACKED - 1, #ids)
    local texts = redis.call('MGET', unpack(keys, first, last))
    for i, text in ipairs(texts) do runs[ids[first + i - 1]] = run_within(batch, text, keys[first + i - 1]) end
  end
  return runs
end

redis.register_function('tf1_complete', function(keys, args)
  local tag, worker = keys[1], args[1]
  if not takes_reports(tag) then return not_ready() end
  local batch, lost, ended, forgotten, ids = new_batch(tag), {}, {}, {}, {}
  for i = 2, #args, 3 do ids[#ids + 1] = args[i] end
  local runs = read_runs(batch, ids)
  for n, id in ipairs(ids) do
    local run = runs[id]
    if not run or run.token == '' or run.token ~= args[3 * n] then
      lost[#lost + 1] = id
    elseif end_if_cancelled(batch, id, run, run.head, worker) then
      runs[id] = nil
    else
      runs[id] = nil
      ended[#ended + 1] = id
      forgotten[#forgotten + 1], forgotten[#forgotten + 2] = tag .. ':task:' .. id, run.key
      transition(batch, id, 'PROCESSING', 'COMPLETED', run.seq + 1, run.attempt, run.head, worker, '', args[3 * n + 1])
    end
  end
  call_many('ZREM', tag .. ':leases', ended)
  call_many('DEL', nil, forgotten)
  commit(batch)
  return lost
end)
