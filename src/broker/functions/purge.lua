-- tf1_purge: ends waiting tasks of a queue: of one line, the oldest first, or of those that are not due yet. Running ones go on.
--   args    operation (counts what it has ended here), before (an id: later tasks stay), reason (JSON object), limit (tasks
--           to look at), queue, line ('' for those that are not due yet), cursor (for these; '0' to begin, '' for a line)
--   returns how many were looked at (0: the line is empty), and the next cursor ('0': all were looked at; '' for a line)
--   errors  NOTREADY
--   events  CANCELLED with the reason
-- A later task that stands in front of an earlier one moves to the back of its line: whoever calls with the length that the
-- line had at the beginning, in all, has seen every task that stood there, and comes to an end.
local MAX_HEAD = 500

local function purge_line(batch, args)
  local tag, line, before, ended = batch.tag, args[6], args[2], 0
  local key = tag .. ':line:' .. line
  local ids = redis.call('RPOP', key, args[4]) or {}
  for _, id in ipairs(ids) do
    local body = not is_stale(batch, id) and redis.call('GET', tag .. ':task:' .. id)
    if body and id > before then
      redis.call('LPUSH', key, id)
    elseif body then
      end_waiting(batch, id, parse_head(head_text_of(body)), 'QUEUED', args[3])
      ended = ended + 1
    end
  end
  if redis.call('EXISTS', key) == 0 then redis.call('SREM', tag .. ':lines', line) end
  return ended, { #ids, '' }
end

local function purge_scheduled(batch, args)
  local tag, before, ended = batch.tag, args[2], 0
  local page = redis.call('ZSCAN', tag .. ':scheduled', args[7], 'COUNT', args[4])
  for i = 1, #page[2], 2 do
    local id = page[2][i]
    -- The beginning is enough, whatever the size of its payload.
    local start = redis.call('GETRANGE', tag .. ':task:' .. id, 0, MAX_HEAD)
    local head = string.find(start, '\n', 1, true) and parse_head(head_text_of(start))
    if head and head.queue == args[5] and id <= before and redis.call('ZREM', tag .. ':scheduled', id) == 1 then
      end_waiting(batch, id, head, 'SCHEDULED', args[3])
      ended = ended + 1
    end
  end
  return ended, { #page[2] / 2, page[1] }
end

redis.register_function('tf1_purge', function(keys, args)
  local tag = keys[1]
  if not read_epoch(tag) then return not_ready() end
  local batch = new_batch(tag)
  local ended, reply = (args[6] == '' and purge_scheduled or purge_line)(batch, args)
  if ended > 0 then
    redis.call('HINCRBY', tag .. ':purges', args[1], ended)
    redis.call('EXPIRE', tag .. ':purges', 86400)
  end
  commit(batch)
  return reply
end)
