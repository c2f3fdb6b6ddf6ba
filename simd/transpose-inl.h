// SPDX-License-Identifier: Apache-2.0
// Transposes float32 matrices into zero-padded ones.
#if defined(SWITCHYARD_SIMD_TRANSPOSE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SWITCHYARD_SIMD_TRANSPOSE_INL_H_
#undef SWITCHYARD_SIMD_TRANSPOSE_INL_H_
#else
#define SWITCHYARD_SIMD_TRANSPOSE_INL_H_
#endif

#include <algorithm>

#include "simd/common-inl.h"
#include "simd/rows_view.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd::HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR
// Transposes 4 x 4 32-bit values in place.
template <class V4>
HWY_INLINE void transpose_4x4(V4& x0, V4& x1, V4& x2, V4& x3) {
  const hn::FixedTag<float, 4> four;
  const hn::RepartitionToWide<decltype(four)> two;
  const auto low01 = hn::BitCast(two, hn::InterleaveLower(four, x0, x1));
  const auto low23 = hn::BitCast(two, hn::InterleaveLower(four, x2, x3));
  const auto high01 = hn::BitCast(two, hn::InterleaveUpper(four, x0, x1));
  const auto high23 = hn::BitCast(two, hn::InterleaveUpper(four, x2, x3));
  x0 = hn::BitCast(four, hn::InterleaveLower(two, low01, low23));
  x1 = hn::BitCast(four, hn::InterleaveUpper(two, low01, low23));
  x2 = hn::BitCast(four, hn::InterleaveLower(two, high01, high23));
  x3 = hn::BitCast(four, hn::InterleaveUpper(two, high01, high23));
}
#endif

// y [cols, padded_rows] = x [rows, cols]^T, zero-padded. padded_rows is at least `rows` and, unless
// the target has no vectors, a multiple of 4.
HWY_INLINE void transpose(std::int64_t rows, std::int64_t cols, In x, std::int64_t padded_rows,
                          Out y) {
  std::int64_t c = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::FixedTag<float, 4> four;
  for (std::int64_t r = 0; r < padded_rows; r += 4) {
    const auto load = [&](std::int64_t row, std::int64_t col) HWY_ATTR {
      return row < rows ? hn::LoadU(four, x[row] + col) : hn::Zero(four);
    };
    for (c = 0; c + 4 <= cols; c += 4) {
      auto x0 = load(r, c), x1 = load(r + 1, c), x2 = load(r + 2, c), x3 = load(r + 3, c);
      transpose_4x4(x0, x1, x2, x3);
      hn::StoreU(x0, four, y[c] + r);
      hn::StoreU(x1, four, y[c + 1] + r);
      hn::StoreU(x2, four, y[c + 2] + r);
      hn::StoreU(x3, four, y[c + 3] + r);
    }
  }
#endif
  for (; c < cols; ++c) {
    for (std::int64_t r = 0; r < rows; ++r) y[c][r] = x[r][c];
    std::fill(y[c] + rows, y[c] + padded_rows, 0.0f);
  }
}

}  // namespace switchyard::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
