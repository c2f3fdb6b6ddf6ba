// SPDX-License-Identifier: Apache-2.0
// Adafactor's passes over a matrix (Shazeer & Stern 2018, arXiv 1804.04235): squared gradients by
// row and by column, the size of the resulting update, and the update.
#pragma once

#include <cstdint>

#include "simd/rows_view.h"

namespace switchyard::simd {

// Sums (scale * g)^2 + eps over grad [rows, cols]; overwrites row_sums [rows] and adds to col_sums
// [cols].
extern void (*const adafactor_squares)(std::int64_t rows, std::int64_t cols, float scale, float eps,
                                       In grad, float* row_sums, float* col_sums);
// state [n] = keep * state + take * sums
extern void (*const moving_average)(std::int64_t n, float keep, float take, const float* sums,
                                    float* state);
// y [n] = numerator / sqrt(factor * x)
extern void (*const inverse_roots)(std::int64_t n, float numerator, float factor, const float* x,
                                   float* y);
// Returns the sum of squares of the update u = g * row_factor [rows] * col_factor [cols].
extern double (*const adafactor_sum_of_squares)(std::int64_t rows, std::int64_t cols, In grad,
                                                const float* row_factor, const float* col_factor);
// param [rows, cols] -= rate * u; grad = 0.
extern void (*const adafactor_step)(std::int64_t rows, std::int64_t cols, float rate, Out grad,
                                    const float* row_factor, const float* col_factor, Out param);

}  // namespace switchyard::simd
