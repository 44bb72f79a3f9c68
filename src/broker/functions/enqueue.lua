-- tf1_enqueue: makes committed tasks claimable. Called by submitters, after the commit.
--   args    epoch, then per task: id, seq (of its last transition), runAt (ms, or '' for now), head, payload (JSON without raw
--           newlines; after a newline, what became of the tasks that it waited for)
--   returns the shard's epoch
--   errors  NOTREADY; STALE <epoch> when the caller's epoch is more than one behind: the reconciler may already have
--           put these tasks in, and they may have ended since
--   events  none: the submitter recorded and announced the first transition itself
-- A task that is there already is left alone.
local FIELDS = 5
local CHUNK_ARGS = 500 * FIELDS

-- Writes the bodies of tasks that are not there yet, and notes in `fresh` at which argument each of them begins. Nearly always
-- none is there, and one call writes them all.
local function write_bodies(tag, args, first, last, fresh)
  local bodies = {}
  for i = first, last, FIELDS do
    bodies[#bodies + 1], bodies[#bodies + 2] = tag .. ':task:' .. args[i], args[i + 3] .. '\n' .. args[i + 4]
  end
  local all = redis.call('MSETNX', unpack(bodies)) == 1
  for i = first, last, FIELDS do
    local n = (i - first) / FIELDS * 2
    fresh[i] = all or redis.call('SETNX', bodies[n + 1], bodies[n + 2]) == 1
  end
end

redis.register_function('tf1_enqueue', function(keys, args)
  local tag = keys[1]
  local epoch = read_epoch(tag)
  if not epoch then return not_ready() end
  if tonumber(args[1]) < tonumber(epoch) - 1 then return redis.error_reply('STALE ' .. epoch) end
  local batch, fresh, waiting = new_batch(tag), {}, {}
  for first = 2, #args, CHUNK_ARGS do
    write_bodies(tag, args, first, math.min(first + CHUNK_ARGS - 1, #args), fresh)
  end
  for i = 2, #args, FIELDS do
    local id, seq, run_at, head = args[i], args[i + 1], args[i + 2], head_of(batch, args[i + 3])
    if fresh[i] then
      -- Without a run, a task is taken for one that made its first transition only.
      if seq ~= '1' then write_run(tag, id, { seq = seq, attempt = 0, token = '', worker = '', head = args[i + 3] }) end
      if run_at == '' then
        local line = line_of(head)
        waiting[line] = waiting[line] or {}
        table.insert(waiting[line], id)
        batch.touched[line] = head
        count(batch, head, 'QUEUED', 1)
      else
        schedule(batch, id, run_at)
        count(batch, head, 'SCHEDULED', 1)
      end
    end
  end
  for line, ids in pairs(waiting) do call_many('LPUSH', tag .. ':line:' .. line, ids) end
  commit(batch)
  return epoch
end)
