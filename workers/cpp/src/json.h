#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace taskflow {

using Json = nlohmann::json;

/** JSON text on one line. Bytes that are not UTF-8 become U+FFFD. */
inline std::string encode(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace taskflow
