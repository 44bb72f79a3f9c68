#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "taskflow/redis_server.h"

namespace taskflow {

/** What can be set, with the names, defaults and bounds of TaskFlow's other processes (see the README's table). */
struct Settings {
  RedisServer high;
  RedisServer low;
  /** REDIS_KEY_PREFIX: before every key. */
  std::string prefix = "tf";
  /** REDIS_TIMEOUT_MS: how long one Redis command may take. */
  std::chrono::milliseconds commandTimeout{2'000};
  int shardsPerLane = 1;
  /** WORKER_QUEUES: queues to serve; "*" for all. "mail:5" runs five tasks of this queue at once, at most. */
  std::vector<std::string> queues{"*"};
  /** Of those of `queues` that have one. */
  std::map<std::string, int> queueLimits;
  /** WORKER_CONCURRENCY: how many tasks run at once. */
  int concurrency = 100;
  /** MAX_RESULT_BYTES: largest result, in bytes of JSON. */
  std::size_t maxResultBytes = 1'048'576;
  /** LEASE_MS: how long the worker may be silent before its tasks are given to another. */
  std::chrono::milliseconds lease{30'000};
  /** HEARTBEAT_INTERVAL_SECONDS */
  std::chrono::milliseconds heartbeatInterval{30'000};
  /** SHUTDOWN_GRACE_MS: how long running tasks may go on after SIGTERM. */
  std::chrono::milliseconds shutdownGrace{10'000};
  /** FILES_DIR: the folder that tasks may read files from; empty: none. */
  std::string filesDir;
  /** LOG_LEVEL: trace, debug, info, warn, error, fatal or silent. */
  std::string logLevel = "info";

  /** Looks up a variable; nullopt where it is not set. */
  using Environment = std::function<std::optional<std::string>(const char* name)>;

  /** Reads the settings from the environment. An empty variable counts as not set. @throws SettingsError */
  static Settings fromEnvironment();
  static Settings from(const Environment& environment);
};

/** Names every setting that is wrong, one a line. */
class SettingsError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace taskflow
