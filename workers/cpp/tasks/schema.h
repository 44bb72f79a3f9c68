#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace taskflow_tasks::schema {

// Pieces of JSON Schemas (draft 2020-12), with which the API checks payloads.

inline nlohmann::json integer(std::int64_t min, std::int64_t max, const char* description) {
  return {{"type", "integer"}, {"minimum", min}, {"maximum", max}, {"description", description}};
}

inline nlohmann::json number(double min, double max, const char* description) {
  return {{"type", "number"}, {"minimum", min}, {"maximum", max}, {"description", description}};
}

inline nlohmann::json text(std::size_t minLength, std::size_t maxLength, const char* description) {
  return {{"type", "string"}, {"minLength", minLength}, {"maxLength", maxLength}, {"description", description}};
}

/** An object that must have some of its fields. */
inline nlohmann::json object(nlohmann::json properties, const std::vector<std::string>& required) {
  return {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
          {"type", "object"},
          {"properties", std::move(properties)},
          {"required", required}};
}

}  // namespace taskflow_tasks::schema
