-- tf1_release: hands tasks back unfinished, without using up an attempt. For a worker that shuts down.
--   args    worker, then per task: id, token
--   returns the ids whose lease was lost: for them nothing was written
--   errors  NOTREADY
--   events  QUEUED; CANCELLED for a task that was told to stop
redis.register_function('tf1_release', function(keys, args)
  local tag, worker = keys[1], args[1]
  if not takes_reports(tag) then return not_ready() end
  local batch, lost = new_batch(tag), {}
  for i = 2, #args, 2 do
    local id = args[i]
    local run, head = held_run(tag, id, args[i + 1])
    if run and end_if_cancelled(batch, id, run, head, worker) then
      -- Nothing more to do.
    elseif run then
      run.seq, run.attempt = run.seq + 1, run.attempt - 1
      let_go(batch, id, run)
      push(batch, id, head, true)
      transition(batch, id, 'PROCESSING', 'QUEUED', run.seq, run.attempt, head, worker, '', '{"reason":"RELEASED"}')
    else
      lost[#lost + 1] = id
    end
  end
  commit(batch)
  return lost
end)
