-- tf1_set_epoch: the leader begins a new epoch: with 'ready' where the shard has its data, with 'rebuilding' before it puts
-- the tasks back.
--   args    epoch, state ('ready' or 'rebuilding'), runId of the server's process that has what this is said of
--   returns 1, or 0 when the shard's epoch is higher already
--   errors  NOTREADY where this is another process, and for 'ready' where the shard lost its data meanwhile: only a rebuild
--           may open it again
--   events  none
redis.register_function('tf1_set_epoch', function(keys, args)
  if args[3] ~= run_id() or (args[2] == 'ready' and not read_epoch(keys[1])) then return not_ready() end
  local epoch = redis.call('HGET', keys[1] .. ':meta', 'epoch')
  if epoch and tonumber(epoch) > tonumber(args[1]) then return 0 end
  redis.call('HSET', keys[1] .. ':meta', 'epoch', args[1], 'state', args[2], 'runId', args[3])
  return 1
end)
