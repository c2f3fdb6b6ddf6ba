// SPDX-License-Identifier: Apache-2.0
// Learning rate schedules, named as in Marian: linear warm-up, then inverse square root decay
// (arXiv 1706.03762, 5.3, with a peak instead of a d_model factor), linear decay to zero, or
// constant.
#pragma once

#include <cstdint>
#include <optional>

namespace switchyard {

struct Schedule {
  enum Decay { kConstant, kInverseSqrt, kLinear };

  double peak = 3e-4;
  std::int64_t warmup = 0;  // updates from 0 to the peak
  Decay decay = kInverseSqrt;
  // kInverseSqrt: from this update on peak * sqrt(decay_start / update); 0: no decay; by default,
  // once the warm-up is over.
  std::optional<std::int64_t> decay_start;
  std::int64_t last_update = 0;  // kLinear: the update at which the rate is 0; beyond the warm-up
};

// The learning rate of an update, counted from 1.
double learning_rate(const Schedule& schedule, std::int64_t update);

}  // namespace switchyard
