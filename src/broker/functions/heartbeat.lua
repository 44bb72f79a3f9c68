-- tf1_heartbeat: "this worker lives", and what it can run. Kept in shard 0 of each lane.
--   args    worker, description (JSON), ttlMs, then per task type: name, JSON Schema of its payload ('null' for any),
--           defaults of its tasks (JSON object with timeoutMs, maxAttempts and backoff, as far as it has them)
--   returns nothing of use
--   events  none
-- A worker that was silent for its ttlMs is forgotten. Task types stay: a submission must not be refused because all
-- workers of its type restart at once.
redis.register_function('tf1_heartbeat', function(keys, args)
  local tag, worker, now = keys[1], args[1], now_ms()
  redis.call('ZADD', tag .. ':worker-expiry', now + tonumber(args[3]), worker)
  redis.call('HSET', tag .. ':workers', worker, now .. '\t' .. args[2])
  for i = 4, #args, 3 do
    redis.call('HSET', tag .. ':types', args[i], args[i + 1])
    redis.call('HSET', tag .. ':type-defaults', args[i], args[i + 2])
  end
  local dead = redis.call('ZRANGE', tag .. ':worker-expiry', '-inf', now, 'BYSCORE')
  for _, id in ipairs(dead) do
    redis.call('ZREM', tag .. ':worker-expiry', id)
    redis.call('HDEL', tag .. ':workers', id)
  end
  return redis.status_reply('OK')
end)
