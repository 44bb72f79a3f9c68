#include "text.h"

#include <algorithm>

namespace taskflow {
namespace {

/** Units that the character beginning with this byte takes; 0 for bytes within a character. */
std::size_t unitsAt(unsigned char byte) {
  if ((byte & 0xC0) == 0x80) return 0;
  return byte >= 0xF0 ? 2 : 1;
}

}  // namespace

std::size_t lengthOf(std::string_view text) {
  std::size_t length = 0;
  for (const unsigned char byte : text) length += unitsAt(byte);
  return length;
}

std::string_view beginningOf(std::string_view text, std::size_t length) {
  std::size_t units = 0;
  for (std::size_t i = 0; i < text.size(); i++) {
    units += unitsAt(static_cast<unsigned char>(text[i]));
    if (units > length) return text.substr(0, i);
  }
  return text;
}

std::string shorten(std::string_view text, std::size_t length) {
  if (lengthOf(text) <= length) return std::string(text);
  return std::string(beginningOf(text, length - 1)) + "…";
}

std::size_t nestingOf(std::string_view json) {
  std::size_t depth = 0;
  std::size_t deepest = 0;
  bool isInText = false;
  for (std::size_t i = 0; i < json.size(); i++) {
    const char character = json[i];
    if (isInText) {
      if (character == '\\') i++;
      if (character == '"') isInText = false;
    } else if (character == '"') {
      isInText = true;
    } else if (character == '[' || character == '{') {
      deepest = std::max(deepest, ++depth);
    } else if ((character == ']' || character == '}') && depth > 0) {
      depth--;
    }
  }
  return deepest;
}

}  // namespace taskflow
