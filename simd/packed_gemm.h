// SPDX-License-Identifier: Apache-2.0
// f32 matmul with a prepacked weight, for translation. Each element is one chain of multiply-adds
// along K, first to last, whatever the call's rows and columns, so a row's bits depend neither on
// the other rows nor on how the work is split.
#pragma once

#include "simd/rows_view.h"

namespace switchyard::simd {

// The layout: zero-padded panels of as many outputs as two vectors of the target hold; within a
// panel, the values of all outputs at k = 0, then at k = 1, ...
extern std::int64_t (*const packed_gemm_panel)();  // outputs per panel: 8, 16 or 32
std::int64_t packed_gemm_floats(std::int64_t out, std::int64_t in);
// w [out, in]
extern void (*const pack_weight)(std::int64_t out, std::int64_t in, In w, float* packed);
// y [in] = row `out` of a packed weight
void unpack_weight_row(std::int64_t out, std::int64_t in, const float* packed, float* y);

// Computes columns [first_col, last_col) of y [rows, out] = x [rows, in] . w^T. first_col is a
// multiple of packed_gemm_panel(); so is last_col, unless it is `out`. `packed` is 64-byte aligned.
extern void (*const packed_gemm)(std::int64_t rows, std::int64_t first_col, std::int64_t last_col,
                                 std::int64_t in, In x, const float* packed, Out y);

}  // namespace switchyard::simd
