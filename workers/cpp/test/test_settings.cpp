#include <map>

#include "check.h"
#include "taskflow/settings.h"

namespace taskflow {
namespace {

Settings read(const std::map<std::string, std::string>& variables) {
  return Settings::from([&](const char* name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  });
}

TEST("settings have the defaults of the other processes") {
  const auto settings = read({{"WORKER_QUEUES", ""}});
  expectEqual(settings.high.addresses.at(0).host, "127.0.0.1");
  expectEqual(settings.low.addresses.at(0).port, 6'379);
  expectTrue(!settings.low.password && !settings.low.username, "nobody logs in");
  expectEqual(settings.queues.size(), 1u);
  expectEqual(settings.queues[0], "*");
  expectEqual(settings.heartbeatInterval.count(), 30'000);
}

TEST("settings are read from the environment") {
  const auto settings = read({{"REDIS_HOST_LOW", "redis.example"},
                              {"REDIS_PORT_LOW", "7000"},
                              {"REDIS_USERNAME_LOW", "worker"},
                              {"REDIS_PASSWORD_LOW", "secret"},
                              {"WORKER_QUEUES", "a,b.c-1:5"},
                              {"WORKER_CONCURRENCY", "3"},
                              {"HEARTBEAT_INTERVAL_SECONDS", "0.3"},
                              {"LEASE_MS", "900"}});
  expectEqual(settings.low.addresses.at(0).host + *settings.low.username + *settings.low.password, "redis.exampleworkersecret");
  expectEqual(settings.low.addresses.at(0).port, 7'000);
  expectEqual(settings.queues.at(1), "b.c-1");
  expectEqual(settings.queueLimits.size(), 1u);
  expectEqual(settings.queueLimits.at("b.c-1"), 5);
  expectEqual(settings.concurrency, 3);
  expectEqual(settings.heartbeatInterval.count(), 300);
  expectEqual(settings.lease.count(), 900);
}

TEST("every setting that is wrong is named") {
  const auto error = expectThrow<SettingsError>([] {
    read({{"LEASE_MS", "soon"},
          {"SHARDS_PER_LANE", "0"},
          {"REDIS_KEY_PREFIX", "Ü"},
          {"WORKER_QUEUES", "a,,b"},
          {"HEARTBEAT_INTERVAL_SECONDS", "0.01"},
          {"LOG_LEVEL", "loud"}});
  });
  const std::string text = error.what();
  for (const auto* name : {"LEASE_MS: must be a whole number from 300 to 3600000", "SHARDS_PER_LANE", "REDIS_KEY_PREFIX",
                           "WORKER_QUEUES", "HEARTBEAT_INTERVAL_SECONDS", "LOG_LEVEL"}) {
    expectTrue(text.find(name) != std::string::npos, name);
  }
  for (const auto* queues : {"a,", "a:", "a:0", "a:x", "*:5", "a:100000"}) {
    expectThrow<SettingsError>([&] { read({{"WORKER_QUEUES", queues}}); });
  }
  expectThrow<SettingsError>([] { read({{"REDIS_PORT_LOW", "6379x"}}); });
}

}  // namespace
}  // namespace taskflow
