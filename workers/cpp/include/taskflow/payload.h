#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "taskflow/task.h"

namespace taskflow {

/** A payload that another attempt would not find any better. Its code is INVALID_PAYLOAD. */
DoNotRetry invalidPayload(const std::string& problem);

/**
 * Reads the fields of a payload and checks their forms and bounds.
 * All throw DoNotRetry INVALID_PAYLOAD, naming the field, where it is missing without a fallback, or wrong.
 */
class PayloadReader {
 public:
  explicit PayloadReader(const nlohmann::json& payload);

  /** A whole number; 3.0 is one. */
  std::int64_t integer(const char* name, std::int64_t min, std::int64_t max,
                       std::optional<std::int64_t> fallback = std::nullopt) const;
  double number(const char* name, double min, double max, std::optional<double> fallback = std::nullopt) const;
  /** @param maxLength in bytes */
  std::string text(const char* name, std::size_t maxLength, std::optional<std::string> fallback = std::nullopt) const;
  bool has(const char* name) const;

 private:
  const nlohmann::json* find(const char* name) const;

  const nlohmann::json& payload_;
};

}  // namespace taskflow
