#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "loop.h"

namespace taskflow {

/** As 2026-01-31T12:00:00.000Z. */
std::string isoTime(std::chrono::system_clock::time_point time);

/** Writes JSON lines to stderr, in the form of TaskFlow's other processes. From any thread. */
class Logger {
 public:
  /** @param level the lowest that is written: trace, debug, info, warn, error, fatal or silent */
  explicit Logger(std::string_view level, nlohmann::json base = nlohmann::json::object());

  void debug(std::string_view message, const nlohmann::json& fields = nullptr) const { write(20, message, fields); }
  void info(std::string_view message, const nlohmann::json& fields = nullptr) const { write(30, message, fields); }
  void warn(std::string_view message, const nlohmann::json& fields = nullptr) const { write(40, message, fields); }
  void error(std::string_view message, const nlohmann::json& fields = nullptr) const { write(50, message, fields); }

  /** The same with more fields in every line. */
  Logger with(const nlohmann::json& fields) const;

 private:
  void write(int level, std::string_view message, const nlohmann::json& fields) const;

  int lowest_;
  nlohmann::json base_;
};

/**
 * Reports what is tried over and over: the first failure, then one every ten seconds, so that an outage does not fill the
 * log. For one thread.
 */
class QuietLog {
 public:
  QuietLog(const Logger& logger, std::string message) : logger_(logger), message_(std::move(message)) {}

  void warn(const nlohmann::json& fields);

 private:
  const Logger& logger_;
  const std::string message_;
  Clock::time_point quietUntil_{};
};

}  // namespace taskflow
