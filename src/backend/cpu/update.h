// SPDX-License-Identifier: Apache-2.0
// Reads a step's decision, for the optimizers.
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
