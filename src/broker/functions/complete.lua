-- tf1_complete: ends attempts with a result.
--   args    worker, then per task: id, token, result (JSON)
--   returns the ids whose lease was lost: for them nothing was written
--   errors  NOTREADY
--   events  COMPLETED, with the result; CANCELLED for a task that was told to stop
-- The runs by id. Each is taken out once it ended: a call may name a task twice.
local function read_runs(tag, ids)
  local runs = {}
  for first = 1, #ids, MAX_UNPACKED do
    local last = math.min(first + MAX_UNPACKED - 1, #ids)
    local texts = redis.call('MGET', unpack(keys_of(tag .. ':run:', ids, first, last)))
    for i, text in ipairs(texts) do runs[ids[first + i - 1]] = parse_run(text) end
  end
  return runs
end

redis.register_function('tf1_complete', function(keys, args)
  local tag, worker = keys[1], args[1]
  if not takes_reports(tag) then return not_ready() end
  local batch, lost, ended, ids = new_batch(tag), {}, {}, {}
  for i = 2, #args, 3 do ids[#ids + 1] = args[i] end
  local runs = read_runs(tag, ids)
  for n, id in ipairs(ids) do
    local run = runs[id]
    if not run or run.token == '' or run.token ~= args[3 * n] then
      lost[#lost + 1] = id
    elseif end_if_cancelled(batch, id, run, head_of(batch, run.head), worker) then
      runs[id] = nil
    else
      runs[id] = nil
      ended[#ended + 1] = id
      transition(batch, id, 'PROCESSING', 'COMPLETED', run.seq + 1, run.attempt, head_of(batch, run.head), worker, '', args[3 * n + 1])
    end
  end
  call_many('ZREM', tag .. ':leases', ended)
  call_many('DEL', nil, keys_of(tag .. ':task:', ended))
  call_many('DEL', nil, keys_of(tag .. ':run:', ended))
  commit(batch)
  return lost
end)
