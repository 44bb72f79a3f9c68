-- tf1_lead: takes, or keeps, the leadership of the shard. Whoever asks, a shard that was opened in another process of the
-- server is marked: should that one take over again, it must not take its data for whole.
--   args    holder, leaseMs
--   returns 1 when the holder leads, 0 when somebody else does, 2 when it leads from now on
--   events  none
redis.register_function('tf1_lead', function(keys, args)
  if is_inherited(keys[1]) then redis.call('HSET', keys[1] .. ':meta', 'runId', '') end
  local key = keys[1] .. ':leader'
  local holder = redis.call('GET', key)
  if holder and holder ~= args[1] then return 0 end
  redis.call('SET', key, args[1], 'PX', args[2])
  return holder and 1 or 2
end)
