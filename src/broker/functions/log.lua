-- tf1_log: keeps log lines of running attempts.
--   args    per line: id, token, number (from 1, counted in the attempt), record (JSON object: level, message, fields)
--   returns the ids whose lease was lost: for them nothing was written
--   errors  NOTREADY
--   events  one entry of log lines; no transition
local MAX_NUMBER = 2 ^ 31 - 1

redis.register_function('tf1_log', function(keys, args)
  local tag = keys[1]
  if not takes_reports(tag) then return not_ready() end
  local lines, lost = {}, {}
  for i = 1, #args, 4 do
    local id, token = args[i], args[i + 1]
    local run, head = held_run(tag, id, token)
    if run then
      -- A token is the epoch and the seq of the claim: with the latter, lines of all attempts stand in order.
      local claimed_at = string.match(token, '%.(%d+)$')
      -- Whatever a worker in another language sends, the recorder gets a number that PostgreSQL takes.
      local number = string.format('%d', math.max(0, math.min(MAX_NUMBER, tonumber(args[i + 2]) or 0)))
      lines[#lines + 1] = table.concat({ id, head.owner, run.attempt, claimed_at, number, one_line(args[i + 3]) }, '\t')
    else
      lost[#lost + 1] = id
    end
  end
  if #lines > 0 then redis.call('XADD', tag .. ':events', '*', 'at', now_ms(), 'l', table.concat(lines, '\n')) end
  return lost
end)
