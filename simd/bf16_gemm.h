// SPDX-License-Identifier: Apache-2.0
// bfloat16 matmul with f32 sums, for translation. Each element is one chain of sums along K, first
// to last, whatever the call's rows and columns, so a row's bits depend neither on the other rows
// nor on how the work is split.
#pragma once

#include "simd/rows_view.h"

namespace switchyard::simd {

// Computes columns [first_col, last_col) of y [rows, out] = x [rows, in] . w^T, y f32 or bf16.
// `packed` is w^T as pack_bf16_transposed() writes it, panel after panel. first_col is a
// multiple of 32; so is last_col, unless it is `out`.
extern void (*const bf16_gemm)(std::int64_t rows, std::int64_t first_col, std::int64_t last_col,
                               std::int64_t in, Rows<const Bf16> x, const Bf16* packed, AnyOut y);

}  // namespace switchyard::simd
