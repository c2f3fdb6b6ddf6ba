// SPDX-License-Identifier: Apache-2.0
// The passes of Adafactor (Shazeer & Stern 2018, arXiv 1804.04235) over a matrix: its gradient's
// squares by row and by column, the size of the update they give, and the update.
#pragma once

#include <cstdint>

#include "simd/rows_view.h"

namespace switchyard::simd {

// Of the squares (scale * g)^2 + eps: row_sums [rows] = each row's sum, col_sums [cols] += theirs.
extern void (*const adafactor_squares)(std::int64_t rows, std::int64_t cols, float scale, float eps,
                                       In grad, float* row_sums, float* col_sums);
// state = keep * state + take * sums
extern void (*const moving_average)(std::int64_t n, float keep, float take, const float* sums,
                                    float* state);
// y = numerator / sqrt(factor * x)
extern void (*const inverse_roots)(std::int64_t n, float numerator, float factor, const float* x,
                                   float* y);
// Sum of the squares of u = g * row_factor * col_factor.
extern double (*const adafactor_sum_of_squares)(std::int64_t rows, std::int64_t cols, In grad,
                                                const float* row_factor, const float* col_factor);
// param -= rate * u; the gradient becomes 0.
extern void (*const adafactor_step)(std::int64_t rows, std::int64_t cols, float rate, Out grad,
                                    const float* row_factor, const float* col_factor, Out param);

}  // namespace switchyard::simd
