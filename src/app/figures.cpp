// SPDX-License-Identifier: Apache-2.0
#include "src/app/figures.h"

#include <cstdio>

namespace switchyard {

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f%%", 100 * share);
  return text;
}

std::string millions(std::int64_t count) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.1fM", static_cast<double>(count) / 1e6);
  return text;
}

std::string bytes_text(std::int64_t bytes) {
  char text[32];
  const double mib = static_cast<double>(bytes) / (1 << 20);
  if (mib < 1000)
    std::snprintf(text, sizeof(text), "%.0f MiB", mib);
  else
    std::snprintf(text, sizeof(text), "%.1f GiB", mib / 1024);
  return text;
}

std::string clock_text(double seconds) {
  char text[64];
  const auto s = static_cast<long long>(seconds);
  std::snprintf(text, sizeof(text), "%02lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
  return text;
}

}  // namespace switchyard
