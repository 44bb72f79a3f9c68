-- tf1_enqueue: makes committed tasks claimable. Called by submitters, after the commit.
--   args    epoch, then per task: id, seq (of its last transition), runAt (ms, or '' for now), head, payload (JSON without raw
--           newlines; after a newline, what became of the tasks that it waited for)
--   returns the shard's epoch
--   errors  NOTREADY; STALE <epoch> when the caller's epoch is more than one behind: the reconciler may already have
--           put these tasks in, and they may have ended since
--   events  none: the submitter recorded and announced the first transition itself
-- A task that is there already is left alone.
redis.register_function('tf1_enqueue', function(keys, args)
  local tag = keys[1]
  local epoch = read_epoch(tag)
  if not epoch then return not_ready() end
  if tonumber(args[1]) < tonumber(epoch) - 1 then return redis.error_reply('STALE ' .. epoch) end
  local batch = new_batch(tag)
  for i = 2, #args, 5 do
    local id, seq, run_at, head = args[i], args[i + 1], args[i + 2], parse_head(args[i + 3])
    if redis.call('SET', tag .. ':task:' .. id, args[i + 3] .. '\n' .. args[i + 4], 'NX') then
      -- Without a run, a task is taken for one that made its first transition only.
      if seq ~= '1' then write_run(tag, id, { seq = seq, attempt = 0, token = '', worker = '', head = args[i + 3] }) end
      if run_at == '' then
        push(batch, id, head)
        count(batch, head.queue, 'QUEUED', 1)
      else
        schedule(batch, id, run_at)
        count(batch, head.queue, 'SCHEDULED', 1)
      end
    end
  end
  commit(batch)
  return epoch
end)
