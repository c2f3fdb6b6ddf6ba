// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

namespace switchyard {

// Returns the start of a text of valid UTF-8, at most `max_bytes` long, which ends before a space,
// that no token spans, or, failing that, between two characters.
inline std::string_view first_part(std::string_view text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  std::size_t end = text.rfind(' ', max_bytes);
  if (end == text.npos || end == 0)
    for (end = max_bytes; (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80;) --end;
  return text.substr(0, end);
}

}  // namespace switchyard
