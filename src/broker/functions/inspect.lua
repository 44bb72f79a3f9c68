-- tf1_inspect: how full a shard is, for metrics. Asked by its leader.
--   args    how many lines to look at, at most
--   returns how many entries wait in the stream; how old the oldest of them is, ms ('' where none waits); the counts (flat:
--           "<queue>|<STATUS>", number); and of the lines (flat: queue, the next ids with commas between, three at most: the
--           first ones may be stale)
--   events  none
redis.register_function{ function_name = 'tf1_inspect', flags = { 'no-writes' }, callback = function(keys, args)
  local tag = keys[1]
  -- Only its id leaves Redis: an entry may hold megabytes of results.
  local first = redis.call('XRANGE', tag .. ':events', '-', '+', 'COUNT', 1)[1]
  local age = first and math.max(0, now_ms() - tonumber(string.match(first[1], '^%d+'))) or ''
  local lines = {}
  for i, line in ipairs(redis.call('SMEMBERS', tag .. ':lines')) do
    if i > tonumber(args[1]) then break end
    local ids = redis.call('LRANGE', tag .. ':line:' .. line, -3, -1)
    lines[#lines + 1] = string.match(line, '^%u+|([^|]*)|')
    lines[#lines + 1] = table.concat(ids, ',')
  end
  return { redis.call('XLEN', tag .. ':events'), tostring(age), redis.call('HGETALL', tag .. ':counts'), lines }
end }
