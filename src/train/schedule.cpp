// SPDX-License-Identifier: Apache-2.0
#include "src/train/schedule.h"

#include <algorithm>
#include <cmath>

namespace switchyard {

double learning_rate(const Schedule& schedule, std::int64_t update) {
  const double t = static_cast<double>(update);
  double rate = schedule.peak;
  if (update < schedule.warmup) rate *= t / static_cast<double>(schedule.warmup);
  switch (schedule.decay) {
    case Schedule::kConstant:
      break;
    case Schedule::kInverseSqrt: {
      const std::int64_t start = schedule.decay_start.value_or(schedule.warmup);
      if (update > start && start > 0) rate *= std::sqrt(static_cast<double>(start) / t);
      break;
    }
    case Schedule::kLinear: {
      const double begin = static_cast<double>(schedule.warmup);
      const double end = static_cast<double>(schedule.last_update);
      if (update > schedule.warmup) rate *= std::max(0.0, (end - t) / std::max(1.0, end - begin));
      break;
    }
  }
  return rate;
}

}  // namespace switchyard
