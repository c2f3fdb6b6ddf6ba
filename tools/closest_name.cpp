// SPDX-License-Identifier: Apache-2.0
#include "tools/closest_name.h"

#include <algorithm>
#include <cstddef>

namespace switchyard {

namespace {

// Edit distance; swapping two adjacent letters counts as one edit.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    d[i][0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      d[i][j] = std::min({change, d[i - 1][j] + 1, d[i][j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::string_view closest_name(std::string_view name, const std::vector<std::string_view>& names) {
  constexpr std::size_t kShortestStart = 3;
  std::string_view closest;
  std::size_t best = std::max<std::size_t>(1, (name.size() + 1) / 4) + 1;
  for (const std::string_view known : names) {
    // Does not compare much longer names letter by letter: hostile input may be megabytes long.
    if (name.size() > 2 * (known.size() + 1)) continue;
    const bool start = name.size() >= kShortestStart && known.starts_with(name);
    const std::size_t d = start ? 1 : distance(known, name);
    if (d < best) best = d, closest = known;
  }
  return closest;
}

}  // namespace switchyard
