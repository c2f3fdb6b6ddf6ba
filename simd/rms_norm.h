// SPDX-License-Identifier: Apache-2.0
// RMS norm as in T5: no mean subtraction, no bias. Zhang & Sennrich 2019 (arXiv 1910.07467).
#pragma once

#include "simd/rows_view.h"

namespace switchyard::simd {

// y = weight * x * inv_rms; inv_rms [rows, 1] = 1 / sqrt(mean(x^2) + eps). weight [cols]; y may
// alias x; inv_rms may be empty.
extern void (*const rms_norm)(std::int64_t rows, std::int64_t cols, In x, const float* weight,
                              float eps, AnyOut y, Out inv_rms);

// dx += inv_rms * (weight * dy - x * inv_rms^2 * mean(weight * dy * x));
// grad_weight [cols] += dy * x * inv_rms, summed over rows in order; may be null.
extern void (*const rms_norm_backward)(std::int64_t rows, std::int64_t cols, In x,
                                       const float* weight, In inv_rms, In dy, Out dx,
                                       float* grad_weight);

}  // namespace switchyard::simd
