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
  // kInverseSqrt: the rate is peak * sqrt(decay_start / update) after this update; 0: no decay; by
  // default, the end of the warm-up.
  std::optional<std::int64_t> decay_start;
  // kLinear: the update at which the rate reaches 0, after the warm-up.
  std::int64_t last_update = 0;
};

// Returns the learning rate of an update, counted from 1.
double learning_rate(const Schedule& schedule, std::int64_t update);

}  // namespace switchyard
