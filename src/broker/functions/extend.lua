-- tf1_extend: extends leases, counted from now.
--   args    leaseMs, then per task: id, token
--   returns the ids whose lease was lost; and a flat list of those that were told to stop: id, reason (JSON)
--   errors  NOTREADY
--   events  none
redis.register_function('tf1_extend', function(keys, args)
  local tag = keys[1]
  if not takes_reports(tag) then return not_ready() end
  local batch, lost, stopping = new_batch(tag), {}, {}
  local expiry = batch.now + tonumber(args[1])
  for i = 2, #args, 2 do
    local id = args[i]
    if held_run(tag, id, args[i + 1]) then
      redis.call('ZADD', tag .. ':leases', expiry, id)
      local reason = cancel_reason(batch, id)
      if reason then
        stopping[#stopping + 1] = id
        stopping[#stopping + 1] = reason
      end
    else
      lost[#lost + 1] = id
    end
  end
  return { lost, stopping }
end)
