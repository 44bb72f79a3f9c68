-- tf1_fail: ends attempts with an error.
--   args    worker, then per task: id, token, error (JSON), retry ('1', or '0' when trying again is pointless),
--           delayMs until the next attempt ('' for the default backoff)
--   returns the ids whose lease was lost: for them nothing was written
--   errors  NOTREADY
--   events  SCHEDULED with runAt and the error while attempts are left, else FAILED with the error; CANCELLED for a task
--           that was told to stop
-- Backoff of a task: kind (F fixed, E exponential), delay, greatest delay (ms), jitter (0 to 1), with colons between. The
-- delay is delay, or delay * 2^(attempt - 1), at most the greatest; the jitter's share of it is random, so that tasks that
-- failed together do not return together (M. Brooker, "Exponential Backoff and Jitter", 2015; 0.5 is its "equal jitter").
local DEFAULT_BACKOFF = 'E:1000:3600000:0.5'

local function backoff_ms(head, attempt)
  local kind, delay, most, jitter = string.match(head.backoff ~= '' and head.backoff or DEFAULT_BACKOFF, '^(%u):(%d+):(%d+):([%d.]+)$')
  local full = math.min(kind == 'F' and tonumber(delay) or delay * 2 ^ (attempt - 1), tonumber(most))
  return math.floor(full * (1 - jitter) + math.random() * full * jitter)
end

redis.register_function('tf1_fail', function(keys, args)
  local tag, worker = keys[1], args[1]
  if not takes_reports(tag) then return not_ready() end
  local batch, lost = new_batch(tag), {}
  for i = 2, #args, 5 do
    local id, problem = args[i], args[i + 2]
    local run, head = held_run(tag, id, args[i + 1])
    if not run then
      lost[#lost + 1] = id
    elseif end_if_cancelled(batch, id, run, head, worker) then
      -- Nothing more to do.
    elseif args[i + 3] == '1' and run.attempt < head.max then
      local due = batch.now + (tonumber(args[i + 4]) or backoff_ms(head, run.attempt))
      run.seq = run.seq + 1
      let_go(batch, id, run)
      schedule(batch, id, due)
      transition(batch, id, 'PROCESSING', 'SCHEDULED', run.seq, run.attempt, head, worker, due, problem)
    else
      redis.call('ZREM', tag .. ':leases', id)
      forget(tag, id)
      transition(batch, id, 'PROCESSING', 'FAILED', run.seq + 1, run.attempt, head, worker, '', problem)
    end
  end
  commit(batch)
  return lost
end)
