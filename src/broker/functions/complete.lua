-- tf1_complete: ends attempts with a result.
--   args    worker, then per task: id, token, result (JSON)
--   returns the ids whose lease was lost: for them nothing was written
--   errors  NOTREADY
--   events  COMPLETED, with the result; CANCELLED for a task that was told to stop
redis.register_function('tf1_complete', function(keys, args)
  local tag, worker = keys[1], args[1]
  if not read_epoch(tag) then return not_ready() end
  local batch, lost = new_batch(tag), {}
  for i = 2, #args, 3 do
    local id = args[i]
    local run, head = held_run(tag, id, args[i + 1])
    if run and end_if_cancelled(batch, id, run, head, worker) then
      -- Nothing more to do.
    elseif run then
      redis.call('ZREM', tag .. ':leases', id)
      forget(tag, id)
      transition(batch, id, 'PROCESSING', 'COMPLETED', run.seq + 1, run.attempt, head, worker, '', args[i + 2])
    else
      lost[#lost + 1] = id
    end
  end
  commit(batch)
  return lost
end)
