-- tf1_progress: says how far running attempts are.
--   args    per task: id, token, percent (0 to 100), detail ('{"detail": …}', or ''; of one that is too
--           large only its size is kept)
--   returns the ids whose lease was lost: for them nothing was written
--   errors  NOTREADY
--   events  one entry of progress lines; no transition
local MAX_DETAIL_BYTES = 4096
local WRAPPING_BYTES = 16

local function kept_detail(text)
  if #text <= MAX_DETAIL_BYTES + WRAPPING_BYTES then return one_line(text) end
  local bytes = ',"bytes":' .. #text .. ',"limit":' .. MAX_DETAIL_BYTES
  return '{"detail":{"error":"DETAIL_TOO_LARGE"' .. bytes .. '}}'
end

redis.register_function('tf1_progress', function(keys, args)
  local tag = keys[1]
  if not takes_reports(tag) then return not_ready() end
  local lines, lost = {}, {}
  for i = 1, #args, 4 do
    local id = args[i]
    local run, head = held_run(tag, id, args[i + 1])
    if run then
      -- Whatever a worker in another language sends, the recorder gets a number that PostgreSQL takes.
      local percent = math.max(0, math.min(100, tonumber(args[i + 2]) or 0))
      lines[#lines + 1] = table.concat({ id, head.owner, run.attempt, percent, kept_detail(args[i + 3]) }, '\t')
    else
      lost[#lost + 1] = id
    end
  end
  if #lines > 0 then redis.call('XADD', tag .. ':events', '*', 'at', now_ms(), 'p', table.concat(lines, '\n')) end
  return lost
end)
