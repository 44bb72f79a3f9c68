-- tf1_reap: takes back attempts whose lease expired: their worker died, hangs, or lost its connection.
--   args    limit (tasks)
--   returns how many were taken back
--   errors  NOTREADY
--   events  QUEUED while attempts are left, else FAILED with code LEASE_EXPIRED: a task that kills its workers must not
--           do so for ever. Both name the worker that had it.
redis.register_function('tf1_reap', function(keys, args)
  local tag = keys[1]
  if not read_epoch(tag) then return not_ready() end
  local batch, reaped = new_batch(tag), 0
  local expired = redis.call('ZRANGE', tag .. ':leases', '-inf', batch.now, 'BYSCORE', 'LIMIT', 0, args[1])
  for _, id in ipairs(expired) do
    local run = read_run(tag, id)
    if run then
      local head, worker = parse_head(run.head), run.worker
      run.seq = run.seq + 1
      if run.attempt < head.max then
        let_go(batch, id, run)
        push(batch, id, head, true)
        transition(batch, id, 'PROCESSING', 'QUEUED', run.seq, run.attempt, head, worker, '', '{"reason":"LEASE_EXPIRED"}')
      else
        redis.call('ZREM', tag .. ':leases', id)
        forget(tag, id)
        transition(batch, id, 'PROCESSING', 'FAILED', run.seq, run.attempt, head, worker, '',
          '{"message":"The worker stopped without a word, and no attempts are left.","code":"LEASE_EXPIRED"}')
      end
      reaped = reaped + 1
    else
      redis.call('ZREM', tag .. ':leases', id)
    end
  end
  commit(batch)
  return reaped
end)
