-- tf1_cancel: cancels tasks. A waiting one ends at once; a running one is told to stop, and ends when its worker lets go of
-- it, or at the deadline.
--   args    deadlineMs (for running ones; '' to let them run), then per task: id, reason (JSON object)
--   returns a flat list, per task: 'CANCELLED', 'STOPPING', 'RUNNING' (it was let run) or 'UNKNOWN' (not live here), and the
--           seq it has then ('' for the last two)
--   errors  NOTREADY
--   events  CANCELLED with the reason; PROCESSING with the reason for a running one. The worker is told on the channel
--           <tag>:control: its id, the task's id, the attempt's token, the reason, with tabs between
-- A task that was told to stop already is not told again.
local function cancel_waiting(batch, id, reason)
  local tag = batch.tag
  local head = parse_head(head_text_of(redis.call('GET', tag .. ':task:' .. id)))
  if redis.call('ZREM', tag .. ':scheduled', id) == 1 then
    return end_waiting(batch, id, head, 'SCHEDULED', reason)
  end
  -- Its place in the line stays, since finding it means to search the line; whoever claims passes it over.
  redis.call('HINCRBY', tag .. ':stale', id, 1)
  return end_waiting(batch, id, head, 'QUEUED', reason)
end

local function stop_running(batch, id, run, reason, deadline)
  local tag = batch.tag
  if cancel_reason(batch, id) then return run.seq end
  redis.call('HSET', tag .. ':cancelling', id, one_line(reason))
  redis.call('ZADD', tag .. ':cancel-deadlines', deadline, id)
  batch.cancelling = true
  run.seq = run.seq + 1
  write_run(tag, id, run)
  transition(batch, id, 'PROCESSING', 'PROCESSING', run.seq, run.attempt, parse_head(run.head), run.worker, '', reason)
  redis.call('PUBLISH', tag .. ':control', table.concat({ run.worker, id, run.token, one_line(reason) }, '\t'))
  return run.seq
end

redis.register_function('tf1_cancel', function(keys, args)
  local tag = keys[1]
  if not read_epoch(tag) then return not_ready() end
  local batch, reply = new_batch(tag), {}
  local deadline_ms = tonumber(args[1])
  for i = 2, #args, 2 do
    local id, reason = args[i], args[i + 1]
    local n = #reply
    if redis.call('EXISTS', tag .. ':task:' .. id) == 0 then
      reply[n + 1], reply[n + 2] = 'UNKNOWN', ''
    else
      local run = read_run(tag, id)
      if run and run.token ~= '' and not deadline_ms then
        reply[n + 1], reply[n + 2] = 'RUNNING', ''
      elseif run and run.token ~= '' then
        reply[n + 1], reply[n + 2] = 'STOPPING', stop_running(batch, id, run, reason, batch.now + deadline_ms)
      else
        reply[n + 1], reply[n + 2] = 'CANCELLED', cancel_waiting(batch, id, reason)
      end
    end
  end
  commit(batch)
  return reply
end)
