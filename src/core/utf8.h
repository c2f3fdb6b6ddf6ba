// SPDX-License-Identifier: Apache-2.0
// UTF-8, a code point at a time.
#pragma once

#include <cstddef>
#include <string_view>

namespace switchyard {

constexpr char32_t kReplacement = 0xFFFD;

struct Decoded {
  char32_t code_point;
  std::size_t bytes;  // taken from the text, at least 1
  bool valid;
};

// The first code point of a text that is not empty. An ill-formed one (Unicode 15, table 3-7) is
// U+FFFD and takes its maximal subpart: as many bytes as could begin a well-formed sequence, or
// one.
Decoded decode_first(std::string_view text);

}  // namespace switchyard
