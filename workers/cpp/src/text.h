#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace taskflow {

// Lengths of texts are counted in UTF-16 units, as the worker in TypeScript counts them. All take any bytes.

std::size_t lengthOf(std::string_view text);

/** The beginning of a text, at most so long, without a broken character at its end. */
std::string_view beginningOf(std::string_view text, std::size_t length);

/** The text, or its beginning and "…" where it is longer. */
std::string shorten(std::string_view text, std::size_t length);

/** How deep arrays and objects are nested in a JSON text. Reading and writing JSON recurses so deep. */
std::size_t nestingOf(std::string_view json);

}  // namespace taskflow
