-- tf1_promote: queues the tasks that are due, and wakes workers of every line that is not empty (a worker may have died
-- between taking a token and claiming).
--   args    limit (tasks)
--   returns how many were promoted, and ms until the next is due (-1: none waits)
--   errors  NOTREADY
--   events  QUEUED
redis.register_function('tf1_promote', function(keys, args)
  local tag = keys[1]
  if not read_epoch(tag) then return not_ready() end
  local batch, promoted = new_batch(tag), 0
  local due = redis.call('ZRANGE', tag .. ':scheduled', '-inf', batch.now, 'BYSCORE', 'LIMIT', 0, args[1])
  for _, id in ipairs(due) do
    redis.call('ZREM', tag .. ':scheduled', id)
    local body = redis.call('GET', tag .. ':task:' .. id)
    if body then
      local head_text = head_text_of(body)
      local head = parse_head(head_text)
      local run = read_run(tag, id) or { seq = 1, attempt = 0, token = '', worker = '', head = head_text }
      run.seq = run.seq + 1
      write_run(tag, id, run)
      push(batch, id, head)
      transition(batch, id, 'SCHEDULED', 'QUEUED', run.seq, run.attempt, head, '', '', '')
      promoted = promoted + 1
    end
  end
  commit(batch)
  for _, line in ipairs(redis.call('SMEMBERS', tag .. ':lines')) do
    local queue, type = string.match(line, '^%u+|([^|]*)|(.*)$')
    wake(batch, queue, type)
  end
  local first = redis.call('ZRANGE', tag .. ':scheduled', 0, 0, 'WITHSCORES')
  return { promoted, first[2] and math.max(0, tonumber(first[2]) - batch.now) or -1 }
end)
