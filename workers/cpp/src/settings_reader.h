#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <sstream>
#include <string>

#include "taskflow/settings.h"

namespace taskflow {

/** Reads variables and collects what is wrong with them. */
class SettingsReader {
 public:
  explicit SettingsReader(const Settings::Environment& environment) : environment_(environment) {}

  /** nullopt where it is not set, or empty: compose files pass unset variables on like that. */
  std::optional<std::string> text(const std::string& name) const {
    auto value = environment_(name.c_str());
    return value && !value->empty() ? value : std::nullopt;
  }

  std::string text(const std::string& name, const std::string& fallback, bool (*isGood)(const std::string&),
                   const char* rule) {
    const auto value = text(name);
    if (!value) return fallback;
    if (isGood(*value)) return *value;
    complain(name, rule);
    return fallback;
  }

  bool flag(const std::string& name) {
    const auto value = text(name);
    if (!value || *value == "false" || *value == "0" || *value == "no" || *value == "off") return false;
    if (*value == "true" || *value == "1" || *value == "yes" || *value == "on") return true;
    complain(name, "must be true or false");
    return false;
  }

  double number(const std::string& name, double fallback, double min, double max) {
    const auto value = text(name);
    if (!value) return fallback;
    double number = 0;
    const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), number);
    const bool isNumber = error == std::errc() && end == value->data() + value->size();
    if (isNumber && number >= min && number <= max) return number;
    std::ostringstream rule;
    rule << "must be a number from " << std::fixed << min << " to " << max;
    complain(name, rule.str());
    return fallback;
  }

  std::int64_t integer(const std::string& name, std::int64_t fallback, std::int64_t min, std::int64_t max) {
    const auto value = text(name);
    if (!value) return fallback;
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), number);
    const bool isInteger = error == std::errc() && end == value->data() + value->size();
    if (isInteger && number >= min && number <= max) return number;
    complain(name, "must be a whole number from " + std::to_string(min) + " to " + std::to_string(max));
    return fallback;
  }

  void complain(const std::string& name, const std::string& rule) {
    problems_ += (problems_.empty() ? "" : "\n") + name + ": " + rule;
  }

  /** @throws SettingsError that names every problem */
  void check() const {
    if (!problems_.empty()) throw SettingsError(problems_);
  }

 private:
  const Settings::Environment& environment_;
  std::string problems_;
};

}  // namespace taskflow
