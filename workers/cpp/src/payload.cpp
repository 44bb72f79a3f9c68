#include "taskflow/payload.h"

#include <cmath>

#include "json.h"

namespace taskflow {
namespace {

std::string between(double min, double max) {
  return " from " + encode(Json(min)) + " to " + encode(Json(max));
}

}  // namespace

DoNotRetry invalidPayload(const std::string& problem) {
  return DoNotRetry("the payload does not fit: " + problem, "INVALID_PAYLOAD");
}

PayloadReader::PayloadReader(const nlohmann::json& payload) : payload_(payload) {
  if (!payload.is_object()) throw invalidPayload("it must be an object");
}

std::int64_t PayloadReader::integer(const char* name, std::int64_t min, std::int64_t max,
                                    std::optional<std::int64_t> fallback) const {
  const auto value = number(name, static_cast<double>(min), static_cast<double>(max), fallback);
  if (value != std::floor(value)) throw invalidPayload(std::string(name) + " must be a whole number");
  return static_cast<std::int64_t>(value);
}

double PayloadReader::number(const char* name, double min, double max, std::optional<double> fallback) const {
  const auto* value = find(name);
  if (!value && fallback) return *fallback;
  if (value && value->is_number()) {
    const auto number = value->get<double>();
    if (number >= min && number <= max) return number;
  }
  throw invalidPayload(std::string(name) + " must be a number" + between(min, max));
}

std::string PayloadReader::text(const char* name, std::size_t maxLength, std::optional<std::string> fallback) const {
  const auto* value = find(name);
  if (!value && fallback) return *fallback;
  if (value && value->is_string()) {
    auto text = value->get<std::string>();
    if (text.size() <= maxLength) return text;
  }
  throw invalidPayload(std::string(name) + " must be a text of at most " + std::to_string(maxLength) + " bytes");
}

bool PayloadReader::has(const char* name) const { return find(name) != nullptr; }

const nlohmann::json* PayloadReader::find(const char* name) const {
  const auto found = payload_.find(name);
  return found == payload_.end() ? nullptr : &*found;
}

}  // namespace taskflow
