// SPDX-License-Identifier: Apache-2.0
// Product with a weight packed ahead, f32: what translation uses. An element is one chain of
// multiply-adds along K, from first to last, whatever the rows and columns of the call: a row's
// bits do not depend on the rows beside it, nor on how the work is cut.
#pragma once

#include "simd/rows_view.h"

namespace switchyard::simd {

// The layout: panels of outputs, as many as two vectors of the target hold, padded with zeros;
// within a panel all outputs' values at k = 0, then at k = 1, ...
extern std::int64_t (*const packed_gemm_panel)();  // outputs in a panel: 8, 16 or 32
std::int64_t packed_gemm_floats(std::int64_t out, std::int64_t in);
// w [out, in]
extern void (*const pack_weight)(std::int64_t out, std::int64_t in, In w, float* packed);

// The columns [first_col, last_col) of y [rows, out] = x [rows, in] . w^T. first_col is a multiple
// of packed_gemm_panel(), last_col too or the weight's last output. `packed` is 64-byte aligned.
extern void (*const packed_gemm)(std::int64_t rows, std::int64_t first_col, std::int64_t last_col,
                                 std::int64_t in, In x, const float* packed, Out y);

}  // namespace switchyard::simd
