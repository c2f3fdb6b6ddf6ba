// SPDX-License-Identifier: Apache-2.0
// Deterministic sums over rows and columns.
#pragma once

#include "simd/rows_view.h"

namespace switchyard::simd {

// Computed in double, in an order that depends only on n and the target. Not finite if any element
// is not.
extern double (*const sum_of_squares)(std::int64_t n, const float* x);
extern double (*const sum)(std::int64_t n, const float* x);

// total [cols] += sum over rows of x, in row order.
extern void (*const add_column_sums)(std::int64_t rows, std::int64_t cols, In x, float* total);

}  // namespace switchyard::simd
