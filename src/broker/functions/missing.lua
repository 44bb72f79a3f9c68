-- tf1_missing: which of these tasks are not live in this shard?
--   args    ids
--   returns the ids of those that are not
--   events  none
redis.register_function{ function_name = 'tf1_missing', flags = { 'no-writes' }, callback = function(keys, args)
  local missing = {}
  for _, id in ipairs(args) do
    if redis.call('EXISTS', keys[1] .. ':task:' .. id) == 0 then missing[#missing + 1] = id end
  end
  return missing
end }
