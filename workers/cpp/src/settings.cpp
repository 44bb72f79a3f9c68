#include "taskflow/settings.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <sstream>

#include "redis_settings.h"
#include "settings_reader.h"

namespace taskflow {
namespace {

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, ',');) words.push_back(word);
  return words;
}

/** Lower case letters, digits and some more characters. */
bool isName(const std::string& text, std::size_t maxLength, std::string_view more) {
  const auto isGood = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || more.find(c) != std::string_view::npos;
  };
  return !text.empty() && text.size() <= maxLength && std::ranges::all_of(text, isGood);
}

bool isPrefix(const std::string& text) { return isName(text, 40, "_-"); }

/** "5": a whole number from 1 to 99,999, as the other workers take it. */
bool isLimit(const std::string& text) {
  return !text.empty() && text.size() <= 5 && text.front() != '0' &&
         std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/** "mail" or "mail:5" */
bool isQueue(const std::string& text) {
  const auto colon = text.find(':');
  if (colon == std::string::npos) return isName(text, 64, "._-");
  return isName(text.substr(0, colon), 64, "._-") && isLimit(text.substr(colon + 1));
}

bool areQueues(const std::string& text) {
  // A comma at the end leaves no word behind, but is one too many.
  return text == "*" || (text.back() != ',' && std::ranges::all_of(split(text), isQueue));
}

void readQueues(const std::string& text, Settings& settings) {
  settings.queues.clear();
  for (const auto& word : split(text)) {
    const auto colon = word.find(':');
    settings.queues.push_back(word.substr(0, colon));
    if (colon != std::string::npos) settings.queueLimits[settings.queues.back()] = std::stoi(word.substr(colon + 1));
  }
}

bool isLogLevel(const std::string& text) {
  return std::ranges::count(std::array{"trace", "debug", "info", "warn", "error", "fatal", "silent"}, text) == 1;
}

std::chrono::milliseconds ms(std::int64_t count) { return std::chrono::milliseconds(count); }

}  // namespace

Settings Settings::fromEnvironment() {
  return from([](const char* name) -> std::optional<std::string> {
    const char* value = std::getenv(name);
    return value ? std::optional<std::string>(value) : std::nullopt;
  });
}

Settings Settings::from(const Environment& environment) {
  SettingsReader reader(environment);
  Settings settings;
  settings.high = readRedisServer(reader, "HIGH");
  settings.low = readRedisServer(reader, "LOW");
  settings.prefix = reader.text("REDIS_KEY_PREFIX", "tf", isPrefix, "must match [a-z0-9_-]{1,40}");
  settings.commandTimeout = ms(reader.integer("REDIS_TIMEOUT_MS", 2'000, 50, 60'000));
  settings.shardsPerLane = static_cast<int>(reader.integer("SHARDS_PER_LANE", 1, 1, 64));
  readQueues(reader.text("WORKER_QUEUES", "*", areQueues, "must be * or names with commas between, like mail,default:5"),
             settings);
  settings.concurrency = static_cast<int>(reader.integer("WORKER_CONCURRENCY", 100, 1, 10'000));
  settings.maxResultBytes = static_cast<std::size_t>(reader.integer("MAX_RESULT_BYTES", 1'048'576, 1, 67'108'864));
  settings.lease = ms(reader.integer("LEASE_MS", 30'000, 300, 3'600'000));
  settings.heartbeatInterval =
      ms(static_cast<std::int64_t>(reader.number("HEARTBEAT_INTERVAL_SECONDS", 30, 0.1, 3'600) * 1'000));
  settings.shutdownGrace = ms(reader.integer("SHUTDOWN_GRACE_MS", 10'000, 0, 3'600'000));
  settings.filesDir = reader.text("FILES_DIR").value_or("");
  settings.logLevel = reader.text("LOG_LEVEL", "info", isLogLevel,
                                  "must be trace, debug, info, warn, error, fatal or silent");
  reader.check();
  return settings;
}

}  // namespace taskflow
