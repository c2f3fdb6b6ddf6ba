// SPDX-License-Identifier: Apache-2.0
// Clipping by the global norm of the gradient (Pascanu et al., arXiv 1211.5063).
#pragma once

#include "src/backend/backend.h"

namespace switchyard {

// The sum of squares of a flat buffer [1, n]. Not finite if an element is not.
float squared_norm(Context& ctx, View flat);

// What the gradient is multiplied with so that its norm is at most max_norm; max_norm 0: 1.
inline float clip_scale(float norm, float max_norm) {
  return max_norm > 0 && norm > max_norm ? max_norm / norm : 1.0f;
}

}  // namespace switchyard
