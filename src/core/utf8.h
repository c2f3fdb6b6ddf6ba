// SPDX-License-Identifier: Apache-2.0
// Decodes UTF-8, one code point at a time.
#pragma once

#include <cstddef>
#include <string_view>

namespace switchyard {

constexpr char32_t kReplacement = 0xFFFD;

struct Decoded {
  char32_t code_point;
  std::size_t bytes;  // consumed, at least 1
  bool valid;
};

// The first code point of a non-empty text. Ill-formed input (Unicode 15, table 3-7) decodes to
// U+FFFD and consumes its maximal subpart: the bytes that could start a well-formed sequence, or
// one.
Decoded decode_first(std::string_view text);

}  // namespace switchyard
