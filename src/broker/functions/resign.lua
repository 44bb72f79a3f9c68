-- tf1_resign: gives the leadership up, if the caller has it.
--   args    holder
--   returns 1 when it was given up
--   events  none
redis.register_function('tf1_resign', function(keys, args)
  local key = keys[1] .. ':leader'
  if redis.call('GET', key) ~= args[1] then return 0 end
  return redis.call('DEL', key)
end)
