// SPDX-License-Identifier: Apache-2.0
#include "src/app/length_batches.h"

#include <algorithm>
#include <numeric>

namespace switchyard {

std::vector<std::vector<std::size_t>> length_batches(const std::vector<std::int64_t>& tokens,
                                                     std::int64_t max_tokens) {
  std::vector<std::size_t> order(tokens.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return tokens[a] > tokens[b]; });
  std::vector<std::vector<std::size_t>> batches;
  std::int64_t room = 0;
  for (const std::size_t i : order) {
    if (batches.empty() || tokens[i] > room) {
      batches.emplace_back();
      room = max_tokens;
    }
    batches.back().push_back(i);
    room -= tokens[i];
  }
  return batches;
}

}  // namespace switchyard
