// SPDX-License-Identifier: Apache-2.0
#include "src/text/unicode_classes.h"

#include <algorithm>
#include <span>

namespace switchyard {

namespace {

struct Range {
  char32_t first, last;
};

#include "src/text/unicode_ranges.inc"

bool contains(std::span<const Range> ranges, char32_t c) {
  const auto after =
      std::upper_bound(ranges.begin(), ranges.end(), c,
                       [](char32_t x, const Range& range) { return x < range.first; });
  return after != ranges.begin() && c <= after[-1].last;
}

}  // namespace

bool is_number(char32_t c) { return contains(kNumbers, c); }
bool is_punctuation(char32_t c) { return contains(kPunctuation, c); }
bool is_symbol(char32_t c) { return contains(kSymbols, c); }

}  // namespace switchyard
