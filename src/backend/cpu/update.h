// SPDX-License-Identifier: Apache-2.0
// What optimizers read of a step's decision.
#pragma once

#include "src/backend/cpu/views.h"

namespace switchyard::cpu {

inline bool is_skipped(const ConstView& decision) {
  return decision && f32(decision).data[kUpdated] == 0;
}
inline float grad_scale(const ConstView& decision) {
  return decision ? f32(decision).data[kGradScale] : 1;
}

}  // namespace switchyard::cpu
