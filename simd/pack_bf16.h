// SPDX-License-Identifier: Apache-2.0
// Packing for bfloat16 matmuls. The right-hand matrix is stored as the dot-product instructions
// read it: panels of 64 columns, with pairs of rows interleaved column by column. This is oneDNN's
// layout BA16a64b2a, written here so that weights are rounded and packed in one pass.
#pragma once

#include "simd/rows_view.h"

namespace switchyard::simd {

constexpr std::int64_t kBf16PanelCols = 64;
constexpr std::int64_t kBf16PanelRows = 32;  // panels are zero-padded to a multiple of this

constexpr std::int64_t packed_bf16_panels(std::int64_t n) {
  return (n + kBf16PanelCols - 1) / kBf16PanelCols;
}
// Elements in one panel of a matrix of k rows.
constexpr std::int64_t packed_bf16_panel_size(std::int64_t k) {
  return (k + kBf16PanelRows - 1) / kBf16PanelRows * kBf16PanelRows * kBf16PanelCols;
}
// Element (k, n) within its panel.
constexpr std::int64_t packed_bf16_index(std::int64_t k, std::int64_t n) {
  return k / 2 * (2 * kBf16PanelCols) + n % kBf16PanelCols * 2 + k % 2;
}

// Packs panel `panel` of b [k, n], f32 or bf16.
extern void (*const pack_bf16)(std::int64_t k, std::int64_t n, AnyIn b, std::int64_t panel,
                               Bf16* packed);
// Packs panel `panel` of b = w^T, w [n, k].
extern void (*const pack_bf16_transposed)(std::int64_t k, std::int64_t n, In w, std::int64_t panel,
                                          Bf16* packed);

// y [cols, rows] = x [rows, cols]^T: the left-hand side of a sum over rows.
extern void (*const transpose_bf16)(std::int64_t rows, std::int64_t cols, Rows<const Bf16> x,
                                    Rows<Bf16> y);

}  // namespace switchyard::simd
