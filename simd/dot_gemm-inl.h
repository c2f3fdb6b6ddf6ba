// SPDX-License-Identifier: Apache-2.0
// Register tiles for matmuls with dot-product instructions, which multiply a group of neighboring
// inputs (4 int8, 2 bfloat16) of each output in a vector and add the products to the output's sum.
// What the instruction is, and how weights and sums are stored, is up to a Dot:
//
//   using Element;                      // of a row of activations; a group of them has 4 bytes
//   static constexpr std::int64_t kGroup, kHeader;     // elements; bytes before a row's first one
//   Sum start(std::int64_t v) const;                   // the initial sums of vector v, 0 or 1
//   Weights weights(std::int64_t g, std::int64_t v) const;  // of group g
//   static Sum add(Sum, VI group, Weights);            // `group`: a row's group, in every lane
//   void store(Sum, const std::uint8_t* row, std::int64_t v, T* y) const;  // row: the activations
//
// Included once per target (Highway's -inl.h convention).
#if defined(SWITCHYARD_SIMD_DOT_GEMM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SWITCHYARD_SIMD_DOT_GEMM_INL_H_
#undef SWITCHYARD_SIMD_DOT_GEMM_INL_H_
#else
#define SWITCHYARD_SIMD_DOT_GEMM_INL_H_
#endif

#include <algorithm>
#include <cstring>

#include "simd/common-inl.h"
#include "simd/rows_view.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd::HWY_NAMESPACE {

using I32 = hn::RebindToSigned<F32>;
using VI = hn::Vec<I32>;
constexpr I32 i32{};

constexpr std::int64_t kDotRows = 6;  // of a tile

// y [kRows, two vectors] = x . w^T. Twelve sums and two vectors of weights fill the sixteen
// registers of SSE4 and AVX2, and twelve chains hide the latency of an instruction.
template <int kRows, class Dot, class T>
HWY_INLINE void dot_tile(const Dot& dot, std::int64_t inputs, Rows<const std::uint8_t> x,
                         Rows<T> y) {
  static_assert(kRows >= 1 && kRows <= kDotRows);
  static_assert(Dot::kGroup * sizeof(typename Dot::Element) == 4);
  const auto start0 = dot.start(0), start1 = dot.start(1);
  auto c00 = start0, c01 = start1, c10 = start0, c11 = start1, c20 = start0, c21 = start1;
  auto c30 = start0, c31 = start1, c40 = start0, c41 = start1, c50 = start0, c51 = start1;
  // Rows past the last alias the first and are not read.
  const auto row_of = [&](int r) { return x[r < kRows ? r : 0] + Dot::kHeader; };
  const std::uint8_t *x0 = row_of(0), *x1 = row_of(1), *x2 = row_of(2), *x3 = row_of(3),
                     *x4 = row_of(4), *x5 = row_of(5);
  // Group g, of which `bytes` are inputs; the rest may be outside the matrix.
  const auto add_group = [&](std::int64_t g, std::size_t bytes) HWY_ATTR
      __attribute__((always_inline)) {
    const auto w0 = dot.weights(g, 0), w1 = dot.weights(g, 1);
    const auto row = [&](const std::uint8_t* from, auto& sum0, auto& sum1) HWY_ATTR {
      std::int32_t bits = 0;
      std::memcpy(&bits, from + 4 * g, bytes);
      const VI group = hn::Set(i32, bits);
      sum0 = Dot::add(sum0, group, w0);
      sum1 = Dot::add(sum1, group, w1);
    };
    row(x0, c00, c01);
    if constexpr (kRows > 1) row(x1, c10, c11);
    if constexpr (kRows > 2) row(x2, c20, c21);
    if constexpr (kRows > 3) row(x3, c30, c31);
    if constexpr (kRows > 4) row(x4, c40, c41);
    if constexpr (kRows > 5) row(x5, c50, c51);
  };
  const std::int64_t groups = inputs / Dot::kGroup, rest = inputs % Dot::kGroup;
  for (std::int64_t g = 0; g < groups; ++g) add_group(g, 4);
  if (rest > 0) add_group(groups, static_cast<std::size_t>(rest) * sizeof(typename Dot::Element));
  const auto store = [&](int r, auto sum0, auto sum1) HWY_ATTR {
    if (r >= kRows) return;
    dot.store(sum0, x[r], 0, y[r]);
    dot.store(sum1, x[r], 1, y[r] + lanes());
  };
  store(0, c00, c01);
  store(1, c10, c11);
  store(2, c20, c21);
  store(3, c30, c31);
  store(4, c40, c41);
  store(5, c50, c51);
}

// At most kDotRows rows.
template <class Dot, class T>
HWY_INLINE void dot_rows_tile(const Dot& dot, std::int64_t rows, std::int64_t inputs,
                              Rows<const std::uint8_t> x, Rows<T> y) {
  switch (rows) {
    case 1:
      return dot_tile<1>(dot, inputs, x, y);
    case 2:
      return dot_tile<2>(dot, inputs, x, y);
    case 3:
      return dot_tile<3>(dot, inputs, x, y);
    case 4:
      return dot_tile<4>(dot, inputs, x, y);
    case 5:
      return dot_tile<5>(dot, inputs, x, y);
    default:
      return dot_tile<6>(dot, inputs, x, y);
  }
}

// Columns [first_col, last_col) of y = x . w^T; dot_of(col) is the Dot of the two vectors of
// outputs that begin at column col.
template <class T, class DotOf>
HWY_INLINE void dot_gemm(std::int64_t rows, std::int64_t first_col, std::int64_t last_col,
                         std::int64_t inputs, Rows<const std::uint8_t> x, Rows<T> y,
                         DotOf&& dot_of) {
  const std::int64_t width = static_cast<std::int64_t>(2 * lanes());
  HWY_ALIGN T edge[static_cast<std::size_t>(kDotRows) * 2 * hn::MaxLanes(f32)];
  const Rows<T> whole{edge, width};  // the last outputs and their padding
  for (std::int64_t col = first_col; col < last_col; col += width) {
    const auto dot = dot_of(col);
    const std::int64_t cols = std::min(width, last_col - col);
    for (std::int64_t r = 0; r < rows; r += kDotRows) {
      const std::int64_t count = std::min(kDotRows, rows - r);
      const Rows<T> y_rows{y[r] + col, y.stride};
      dot_rows_tile(dot, count, inputs, {x[r], x.stride}, cols == width ? y_rows : whole);
      for (std::int64_t i = 0; cols < width && i < count; ++i)
        std::copy_n(whole[i], cols, y_rows[i]);
    }
  }
}

}  // namespace switchyard::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
