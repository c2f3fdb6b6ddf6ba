// SPDX-License-Identifier: Apache-2.0
#include "src/app/figures.h"

#include <cstdio>

namespace switchyard {

std::string with_commas(std::int64_t count) {
  const std::string digits = std::to_string(count);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string millions(std::int64_t count) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.1fM", static_cast<double>(count) / 1e6);
  return text;
}

}  // namespace switchyard
