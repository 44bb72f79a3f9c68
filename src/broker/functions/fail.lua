-- tf1_fail: ends attempts with an error.
--   args    worker, then per task: id, token, error (JSON), retry ('1', or '0' when trying again is pointless),
--           delayMs until the next attempt ('' for the default backoff)
--   returns the ids whose lease was lost: for them nothing was written
--   errors  NOTREADY
--   events  SCHEDULED with runAt and the error while attempts are left, else FAILED with the error
-- Default backoff: exponential, 1 s * 2^(attempt - 1), at most an hour, with "equal jitter": half of it fixed, half random
-- (M. Brooker, "Exponential Backoff and Jitter", 2015), so that tasks that failed together do not return together.
local BASE_BACKOFF_MS = 1000
local MAX_BACKOFF_MS = 60 * 60 * 1000

local function default_backoff(attempt)
  local delay = math.min(BASE_BACKOFF_MS * 2 ^ (attempt - 1), MAX_BACKOFF_MS)
  return math.floor(delay / 2 + math.random() * delay / 2)
end

redis.register_function('tf1_fail', function(keys, args)
  local tag, worker = keys[1], args[1]
  if not read_epoch(tag) then return not_ready() end
  local batch, lost = new_batch(tag), {}
  for i = 2, #args, 5 do
    local id, problem = args[i], args[i + 2]
    local run, head = held_run(tag, id, args[i + 1])
    if not run then
      lost[#lost + 1] = id
    elseif args[i + 3] == '1' and run.attempt < head.max then
      local due = batch.now + (tonumber(args[i + 4]) or default_backoff(run.attempt))
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
