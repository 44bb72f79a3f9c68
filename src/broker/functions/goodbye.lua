-- tf1_goodbye: a worker that shut down is no longer listed.
--   args    worker
--   returns nothing of use
--   events  none
redis.register_function('tf1_goodbye', function(keys, args)
  redis.call('ZREM', keys[1] .. ':worker-expiry', args[1])
  redis.call('HDEL', keys[1] .. ':workers', args[1])
  return redis.status_reply('OK')
end)
