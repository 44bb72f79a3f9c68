-- tf1_restore: puts unfinished tasks back as PostgreSQL remembers them. Called by the shard's leader only.
--   args    epoch, then per task: id, status, seq, attempt, runAt (ms, or ''), head, payload (as in enqueue),
--           cancelReason (JSON; '' where it was not told to stop)
--   returns how many were put back
--   errors  NOTREADY; STALE <epoch> unless the caller's epoch is the shard's: an older leader must not repeat its work
--   events  QUEUED for a task that was PROCESSING: its attempt is lost with the lease. CANCELLED if it was told to stop
-- A task that is there already is left alone.
local function put_back_running(batch, id, run, head, cancel_reason_text)
  run.seq = run.seq + 1
  if cancel_reason_text == '' then
    transition(batch, id, 'PROCESSING', 'QUEUED', run.seq, run.attempt, head, '', '', '{"reason":"BROKER_LOST"}')
    return true
  end
  forget(batch.tag, id)
  transition(batch, id, 'PROCESSING', 'CANCELLED', run.seq, run.attempt, head, '', '', cancel_reason_text)
  return false
end

redis.register_function('tf1_restore', function(keys, args)
  local tag = keys[1]
  local epoch = read_epoch(tag)
  if not epoch then return not_ready() end
  if args[1] ~= epoch then return redis.error_reply('STALE ' .. epoch) end
  local batch = new_batch(tag)
  local restored = 0
  for i = 2, #args, 8 do
    local id, status, run_at, head_text = args[i], args[i + 1], args[i + 4], args[i + 5]
    local run = { seq = tonumber(args[i + 2]), attempt = tonumber(args[i + 3]), token = '', worker = '', head = head_text }
    local head = parse_head(head_text)
    if redis.call('SET', tag .. ':task:' .. id, head_text .. '\n' .. args[i + 6], 'NX') then
      restored = restored + 1
      count(batch, head, status, 1)
      local is_live = true
      if status == 'SCHEDULED' then
        schedule(batch, id, run_at)
      else
        if status == 'PROCESSING' then is_live = put_back_running(batch, id, run, head, args[i + 7]) end
        if is_live then push(batch, id, head) end
      end
      if is_live and run.seq > 1 then write_run(tag, id, run) end
    end
  end
  commit(batch)
  return restored
end)
