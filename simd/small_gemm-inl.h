// SPDX-License-Identifier: Apache-2.0
// Matmuls of small matrices in register tiles of 4 rows by 2 vectors, or 8 rows by 1 vector for the
// last columns. Out-of-range rows alias the last row, which takes less code than a tile for every
// height; c is loaded before any of it is stored, so the aliasing is harmless.
#if defined(SWITCHYARD_SIMD_SMALL_GEMM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SWITCHYARD_SIMD_SMALL_GEMM_INL_H_
#undef SWITCHYARD_SIMD_SMALL_GEMM_INL_H_
#else
#define SWITCHYARD_SIMD_SMALL_GEMM_INL_H_
#endif

#include <algorithm>

#include "simd/common-inl.h"
#include "simd/rows_view.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd::HWY_NAMESPACE {

// The left operand, which may be a transpose: element (m, k) is data[m * row + k * col].
struct Left {
  const float* data;
  std::int64_t row, col;
};
inline Left plain(In a) { return {a.data, a.stride, 1}; }
inline Left transposed(In a) { return {a.data, 1, a.stride}; }

template <bool kAdd>
HWY_INLINE void tile_4x2(std::int64_t k, Left a, std::int64_t last_row, In b, Out c) {
  const std::int64_t step = static_cast<std::int64_t>(lanes());
  const std::int64_t r1 = std::min<std::int64_t>(1, last_row);
  const std::int64_t r2 = std::min<std::int64_t>(2, last_row);
  const std::int64_t r3 = std::min<std::int64_t>(3, last_row);
  V s00 = hn::Zero(f32), s01 = s00, s10 = s00, s11 = s00;
  V s20 = s00, s21 = s00, s30 = s00, s31 = s00;
  if (kAdd) {
    s00 = hn::LoadU(f32, c[0]), s01 = hn::LoadU(f32, c[0] + step);
    s10 = hn::LoadU(f32, c[r1]), s11 = hn::LoadU(f32, c[r1] + step);
    s20 = hn::LoadU(f32, c[r2]), s21 = hn::LoadU(f32, c[r2] + step);
    s30 = hn::LoadU(f32, c[r3]), s31 = hn::LoadU(f32, c[r3] + step);
  }
  const float *a0 = a.data, *a1 = a.data + r1 * a.row, *a2 = a.data + r2 * a.row,
              *a3 = a.data + r3 * a.row;
  for (std::int64_t i = 0; i < k; ++i) {
    const V b0 = hn::LoadU(f32, b[i]), b1 = hn::LoadU(f32, b[i] + step);
    const std::int64_t at = i * a.col;
    V v = hn::Set(f32, a0[at]);
    s00 = hn::MulAdd(v, b0, s00), s01 = hn::MulAdd(v, b1, s01);
    v = hn::Set(f32, a1[at]);
    s10 = hn::MulAdd(v, b0, s10), s11 = hn::MulAdd(v, b1, s11);
    v = hn::Set(f32, a2[at]);
    s20 = hn::MulAdd(v, b0, s20), s21 = hn::MulAdd(v, b1, s21);
    v = hn::Set(f32, a3[at]);
    s30 = hn::MulAdd(v, b0, s30), s31 = hn::MulAdd(v, b1, s31);
  }
  hn::StoreU(s00, f32, c[0]), hn::StoreU(s01, f32, c[0] + step);
  hn::StoreU(s10, f32, c[r1]), hn::StoreU(s11, f32, c[r1] + step);
  hn::StoreU(s20, f32, c[r2]), hn::StoreU(s21, f32, c[r2] + step);
  hn::StoreU(s30, f32, c[r3]), hn::StoreU(s31, f32, c[r3] + step);
}

template <bool kAdd, class Chunk>
HWY_INLINE void tile_8x1(std::int64_t k, Left a, std::int64_t last_row, In b, Out c, Chunk chunk) {
  const auto row = [&](std::int64_t r) { return std::min(r, last_row); };
  const std::int64_t r1 = row(1), r2 = row(2), r3 = row(3), r4 = row(4), r5 = row(5), r6 = row(6),
                     r7 = row(7);
  V s0 = hn::Zero(f32), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
  if (kAdd) {
    s0 = chunk.load(c[0]), s1 = chunk.load(c[r1]), s2 = chunk.load(c[r2]), s3 = chunk.load(c[r3]);
    s4 = chunk.load(c[r4]), s5 = chunk.load(c[r5]), s6 = chunk.load(c[r6]), s7 = chunk.load(c[r7]);
  }
  for (std::int64_t i = 0; i < k; ++i) {
    const V v = chunk.load(b[i]);
    const float* at = a.data + i * a.col;
    s0 = hn::MulAdd(hn::Set(f32, at[0]), v, s0);
    s1 = hn::MulAdd(hn::Set(f32, at[r1 * a.row]), v, s1);
    s2 = hn::MulAdd(hn::Set(f32, at[r2 * a.row]), v, s2);
    s3 = hn::MulAdd(hn::Set(f32, at[r3 * a.row]), v, s3);
    s4 = hn::MulAdd(hn::Set(f32, at[r4 * a.row]), v, s4);
    s5 = hn::MulAdd(hn::Set(f32, at[r5 * a.row]), v, s5);
    s6 = hn::MulAdd(hn::Set(f32, at[r6 * a.row]), v, s6);
    s7 = hn::MulAdd(hn::Set(f32, at[r7 * a.row]), v, s7);
  }
  chunk.store(s0, c[0]), chunk.store(s1, c[r1]), chunk.store(s2, c[r2]), chunk.store(s3, c[r3]);
  chunk.store(s4, c[r4]), chunk.store(s5, c[r5]), chunk.store(s6, c[r6]), chunk.store(s7, c[r7]);
}

// c [M, N] = a [M, K] . b [K, N], or += with kAdd. Each element is summed over K in order.
template <bool kAdd>
HWY_INLINE void multiply(std::int64_t m, std::int64_t n, std::int64_t k, Left a, In b, Out c) {
  const std::int64_t step = static_cast<std::int64_t>(lanes());
  const auto left = [&](std::int64_t r) { return Left{a.data + r * a.row, a.row, a.col}; };
  const auto out = [&](std::int64_t r, std::int64_t j) { return Out{c[r] + j, c.stride}; };
  std::int64_t j = 0;
  for (; j + 2 * step <= n; j += 2 * step)
    for (std::int64_t r = 0; r < m; r += 4)
      tile_4x2<kAdd>(k, left(r), m - 1 - r, {b.data + j, b.stride}, out(r, j));
  for (; j + step <= n; j += step)
    for (std::int64_t r = 0; r < m; r += 8)
      tile_8x1<kAdd>(k, left(r), m - 1 - r, {b.data + j, b.stride}, out(r, j), Whole{});
  if (j < n)
    for (std::int64_t r = 0; r < m; r += 8)
      tile_8x1<kAdd>(k, left(r), m - 1 - r, {b.data + j, b.stride}, out(r, j),
                     Part{static_cast<std::size_t>(n - j)});
}

// y[j] = x [K] . b[j], four rows of b [N, K] at a time, with lanes along K.
template <class T, class Rows>
HWY_INLINE void dot_rows(std::int64_t n, std::int64_t k, const T* x, const Rows& b, float* y) {
  for (std::int64_t j = 0; j < n; j += 4) {
    const std::int64_t j1 = std::min(j + 1, n - 1), j2 = std::min(j + 2, n - 1),
                       j3 = std::min(j + 3, n - 1);
    const auto *b0 = b[j], *b1 = b[j1], *b2 = b[j2], *b3 = b[j3];
    V s0 = hn::Zero(f32), s1 = s0, s2 = s0, s3 = s0;
    each_vector(k, [&](std::size_t i, auto chunk) HWY_ATTR {
      const V v = chunk.load(x + i);
      s0 = hn::MulAdd(v, chunk.load(b0 + i), s0);
      s1 = hn::MulAdd(v, chunk.load(b1 + i), s1);
      s2 = hn::MulAdd(v, chunk.load(b2 + i), s2);
      s3 = hn::MulAdd(v, chunk.load(b3 + i), s3);
    });
    y[j] = hn::GetLane(hn::SumOfLanes(f32, s0));
    y[j1] = hn::GetLane(hn::SumOfLanes(f32, s1));
    y[j2] = hn::GetLane(hn::SumOfLanes(f32, s2));
    y[j3] = hn::GetLane(hn::SumOfLanes(f32, s3));
  }
}

}  // namespace switchyard::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
