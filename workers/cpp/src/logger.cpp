#include "logger.h"

#include <unistd.h>

#include <array>
#include <cstdio>
#include <ctime>

namespace taskflow {
namespace {

using Json = nlohmann::json;

constexpr std::array<std::pair<std::string_view, int>, 7> levels{{
    {"trace", 10}, {"debug", 20}, {"info", 30}, {"warn", 40}, {"error", 50}, {"fatal", 60}, {"silent", 1'000}}};

int numberOf(std::string_view name) {
  for (const auto& [level, number] : levels) {
    if (level == name) return number;
  }
  return 30;
}

}  // namespace

Logger::Logger(std::string_view level, Json base) : lowest_(numberOf(level)), base_(std::move(base)) {}

Logger Logger::with(const Json& fields) const {
  auto more = *this;
  more.base_.update(fields);
  return more;
}

void Logger::write(int level, std::string_view message, const Json& fields) const {
  if (level < lowest_) return;
  Json line = base_;
  line["level"] = level;
  line["time"] = isoTime(std::chrono::system_clock::now());
  if (fields.is_object()) line.update(fields);
  line["msg"] = message;
  const auto text = line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  // One call a line: lines of several threads do not mix.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

std::string isoTime(std::chrono::system_clock::time_point time) {
  const auto ms = std::chrono::duration_cast<Milliseconds>(time.time_since_epoch()).count();
  const std::time_t seconds = ms / 1'000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char date[32];
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
  char text[48];
  std::snprintf(text, sizeof text, "%s.%03dZ", date, static_cast<int>(ms % 1'000));
  return text;
}

void QuietLog::warn(const Json& fields) {
  const auto now = Clock::now();
  if (now < quietUntil_) return;
  quietUntil_ = now + std::chrono::seconds(10);
  logger_.warn(message_, fields);
}

}  // namespace taskflow
