// SPDX-License-Identifier: Apache-2.0
#include "src/decode/sampling.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>

#include "src/core/rng.h"

namespace switchyard {

namespace {

constexpr float kExcluded = -std::numeric_limits<float>::infinity();

}  // namespace

std::optional<std::int32_t> draw(std::span<const float> scores, double uniform) {
  const double best = double{*std::max_element(scores.begin(), scores.end())};
  double total = 0;
  for (const float score : scores)
    if (score != kExcluded) total += std::exp(double{score} - best);
  std::optional<std::int32_t> last;
  double sum = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] == kExcluded) continue;
    last = static_cast<std::int32_t>(i);
    sum += std::exp(double{scores[i]} - best);
    if (sum > uniform * total) break;
  }
  return last;
}

// Adds Gumbel noise to each score and takes the largest sums, which has the same distribution as
// drawing one after the other (Kool et al., arXiv 1903.06059).
std::vector<std::int32_t> draw_without_replacement(std::span<const float> scores, std::size_t count,
                                                   std::uint64_t key) {
  std::vector<float> noisy(scores.begin(), scores.end());
  for (std::size_t i = 0; i < noisy.size(); ++i) {
    if (noisy[i] == kExcluded) continue;
    const auto random = static_cast<double>(random_u32(key, static_cast<std::uint32_t>(i)));
    const double uniform = (random + 0.5) * 0x1p-32;
    noisy[i] = static_cast<float>(double{noisy[i]} - std::log(-std::log(uniform)));
  }
  std::vector<std::int32_t> chosen = best_scores(noisy, count);
  std::stable_sort(chosen.begin(), chosen.end(), [&](std::int32_t a, std::int32_t b) {
    return scores[static_cast<std::size_t>(a)] > scores[static_cast<std::size_t>(b)];
  });
  return chosen;
}

std::vector<std::int32_t> best_scores(std::span<const float> scores, std::size_t count) {
  assert(count <= scores.size());
  std::vector<std::int32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  const auto end = order.begin() + static_cast<std::ptrdiff_t>(count);
  std::partial_sort(order.begin(), end, order.end(), [&](std::int32_t a, std::int32_t b) {
    const float x = scores[static_cast<std::size_t>(a)], y = scores[static_cast<std::size_t>(b)];
    return x != y ? x > y : a < b;
  });
  order.resize(count);
  return order;
}

}  // namespace switchyard
