#pragma once

#include "settings_reader.h"
#include "taskflow/redis_server.h"

namespace taskflow {

/** Reads REDIS_URL_HIGH and its like. What is wrong with them taken together is told to the reader. @param lane HIGH or LOW */
RedisServer readRedisServer(SettingsReader& reader, const std::string& lane);

}  // namespace taskflow
