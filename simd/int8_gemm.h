// SPDX-License-Identifier: Apache-2.0
// Matmuls of int8 weights and activations, for translation: y = x . w^T with
//   y[r, c] = float(sum over k of q_x[r, k] * q_w[c, k]) * (x_scale[r] * w_scale[c])
//   q = round(v * (127 / max |v|)), ties to even; scale = max |v| / 127; both 0 if max |v| < 1e-30
// Each output of the weight and each row of activations has a scale of its own. The sums are exact
// integers on every instruction set, so results do not depend on it (simd/int8_dot-inl.h).
#pragma once

#include "simd/rows_view.h"

namespace switchyard::simd {

// Weights are stored in panels of outputs: their scales, the numbers that their sums start from,
// and then, for each group of inputs, the quantized inputs of all outputs. The last panel and the
// last group are padded with zeros.
struct Int8Layout {
  std::int64_t panel = 0;  // outputs per panel
  std::int64_t group = 0;  // inputs that one instruction multiplies and adds: 4 from AVX2 on, or 2
  bool operator==(const Int8Layout&) const = default;
};
// The layout that the kernels read on this machine, as capped (simd/targets.h).
extern Int8Layout (*const int8_layout)();

// More inputs could overflow the 32-bit sums.
constexpr std::int64_t kMaxInt8Inputs = std::int64_t{1} << 16;

// Bytes of a packed weight [out, in]; a multiple of 64 if `out` is.
std::int64_t int8_weight_bytes(std::int64_t out, std::int64_t in);
// Quantizes and packs w [out, in]. `packed` is 64-byte aligned; `row` is scratch of
// int8_row_bytes(in).
extern void (*const pack_int8_weight)(std::int64_t out, std::int64_t in, In w, std::int8_t* row,
                                      std::int8_t* packed);
// y [in] = row `out` of a packed weight, in float32.
extern void (*const unpack_int8_row)(std::int64_t out, std::int64_t in, const std::int8_t* packed,
                                     float* y);

// Bytes of one quantized row of activations; a multiple of 64.
std::int64_t int8_row_bytes(std::int64_t in);
// Quantizes x [rows, in]. `quantized` has int8_row_bytes() for each row and is 64-byte aligned. A
// row that is not finite gets a scale that is not.
extern void (*const quantize_rows)(std::int64_t rows, std::int64_t in, In x,
                                   std::uint8_t* quantized);

// Computes columns [first_col, last_col) of y [rows, out] = x [rows, in] . w^T; x is quantized.
// first_col is a multiple of Int8Layout::panel; so is last_col, unless it is `out`.
extern void (*const int8_gemm)(std::int64_t rows, std::int64_t first_col, std::int64_t last_col,
                               std::int64_t in, const std::uint8_t* x, const std::int8_t* packed,
                               Out y);

}  // namespace switchyard::simd
