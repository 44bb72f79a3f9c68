-- tf1_pause: pauses or resumes queues in this shard. Waiting tasks stay, running ones go on.
--   args    per queue: name, paused ('1' or '0')
--   returns nothing of use
--   errors  NOTREADY
--   events  none; a resumed queue's workers are woken
redis.register_function('tf1_pause', function(keys, args)
  local tag = keys[1]
  if not read_epoch(tag) then return not_ready() end
  local resumed = {}
  for i = 1, #args, 2 do
    if args[i + 1] == '1' then
      redis.call('SADD', tag .. ':paused', args[i])
    else
      redis.call('SREM', tag .. ':paused', args[i])
      resumed[args[i]] = true
    end
  end
  local batch = new_batch(tag)
  for _, line in ipairs(redis.call('SMEMBERS', tag .. ':lines')) do
    local queue, type = string.match(line, '^%u+|([^|]*)|(.*)$')
    if resumed[queue] then wake(batch, queue, type) end
  end
  return redis.status_reply('OK')
end)
