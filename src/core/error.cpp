// SPDX-License-Identifier: Apache-2.0
#include "src/core/error.h"

#include <cstddef>
#include <cstdint>

#include "src/core/utf8.h"

namespace switchyard {

namespace {

// The length in bytes of the printable UTF-8 character that the text starts with; 0 if it starts
// with none. C1 controls are not printable: terminals interpret them.
std::size_t printable_length(std::string_view text) {
  const Decoded first = decode_first(text);
  const bool control =
      first.code_point < 0x20 || (first.code_point >= 0x7F && first.code_point < 0xA0);
  return first.valid && !control ? first.bytes : 0;
}

}  // namespace

std::string escaped(std::string_view text, std::size_t max_bytes) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (i >= max_bytes) return out + "...";
    const std::size_t length = printable_length(text.substr(i));
    if (length == 0) {
      const auto byte = static_cast<std::uint8_t>(text[i]);
      out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
      ++i;
    } else {
      out += text.substr(i, length);
      i += length;
    }
  }
  return out;
}

}  // namespace switchyard
