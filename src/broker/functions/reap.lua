-- tf1_reap: takes back attempts whose lease expired: their worker died, hangs, or lost its connection; and ends those that
-- were told to stop and did not by their deadline.
--   args    limit (tasks, of each)
--   returns how many were taken back or ended
--   errors  NOTREADY
--   events  QUEUED while attempts are left, else FAILED with code LEASE_EXPIRED: a task that kills its workers must not
--           do so for ever. CANCELLED for those that were told to stop. All name the worker that had it.
local LEASE_EXPIRED = '{"message":"The worker stopped without a word, and no attempts are left.","code":"LEASE_EXPIRED"}'

local function take_back(batch, id)
  local run = read_run(batch.tag, id)
  if not run or run.token == '' then
    redis.call('ZREM', batch.tag .. ':leases', id)
    redis.call('ZREM', batch.tag .. ':cancel-deadlines', id)
    return 0
  end
  local head, worker = parse_head(run.head), run.worker
  if end_if_cancelled(batch, id, run, head, worker) then return 1 end
  run.seq = run.seq + 1
  if run.attempt < head.max then
    let_go(batch, id, run)
    push(batch, id, head, true)
    transition(batch, id, 'PROCESSING', 'QUEUED', run.seq, run.attempt, head, worker, '', '{"reason":"LEASE_EXPIRED"}')
  else
    redis.call('ZREM', batch.tag .. ':leases', id)
    forget(batch.tag, id)
    transition(batch, id, 'PROCESSING', 'FAILED', run.seq, run.attempt, head, worker, '', LEASE_EXPIRED)
  end
  return 1
end

redis.register_function('tf1_reap', function(keys, args)
  local tag = keys[1]
  if not read_epoch(tag) then return not_ready() end
  local batch, reaped = new_batch(tag), 0
  for _, set in ipairs({ ':leases', ':cancel-deadlines' }) do
    for _, id in ipairs(redis.call('ZRANGE', tag .. set, '-inf', batch.now, 'BYSCORE', 'LIMIT', 0, args[1])) do
      reaped = reaped + take_back(batch, id)
    end
  end
  commit(batch)
  return reaped
end)
