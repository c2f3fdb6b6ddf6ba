// SPDX-License-Identifier: Apache-2.0
#include "src/core/error.h"

#include <cstddef>
#include <cstdint>

namespace switchyard {

namespace {

constexpr std::size_t kMaxBytes = 200;

// Bytes of the well-formed, printable UTF-8 character at text[i]; 0 where there is none (Unicode
// 15, table 3-7). The C1 controls count as not printable: terminals obey them.
std::size_t printable_length(std::string_view text, std::size_t i) {
  const auto byte = [&](std::size_t k) {
    return k < text.size() ? static_cast<std::uint8_t>(text[k]) : std::uint8_t{0};
  };
  const auto continues = [&](std::size_t k) { return (byte(k) & 0xC0) == 0x80; };
  const std::uint8_t first = byte(i), second = byte(i + 1);
  if (first < 0x80) return first >= 0x20 && first != 0x7F ? 1 : 0;
  if (first < 0xC2 || first > 0xF4 || !continues(i + 1)) return 0;
  if (first < 0xE0) return first == 0xC2 && second < 0xA0 ? 0 : 2;
  if (!continues(i + 2)) return 0;
  if (first < 0xF0) {
    const bool overlong = first == 0xE0 && second < 0xA0;
    const bool surrogate = first == 0xED && second > 0x9F;
    return overlong || surrogate ? 0 : 3;
  }
  const bool overlong = first == 0xF0 && second < 0x90;
  const bool too_large = first == 0xF4 && second > 0x8F;
  return overlong || too_large || !continues(i + 3) ? 0 : 4;
}

}  // namespace

std::string escaped(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (i >= kMaxBytes) return out + "...";
    const std::size_t length = printable_length(text, i);
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
