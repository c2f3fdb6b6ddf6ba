// SPDX-License-Identifier: Apache-2.0
// Building blocks of a row's softmax.
#if defined(SWITCHYARD_SIMD_SOFTMAX_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SWITCHYARD_SIMD_SOFTMAX_INL_H_
#undef SWITCHYARD_SIMD_SOFTMAX_INL_H_
#else
#define SWITCHYARD_SIMD_SOFTMAX_INL_H_
#endif

#include <cmath>
#include <limits>

#include "simd/common-inl.h"
#include "simd/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd::HWY_NAMESPACE {

// The largest element, ignoring NaN; -inf if there are none.
HWY_INLINE float row_max(std::int64_t n, const float* x) {
  const std::size_t size = static_cast<std::size_t>(n), step = lanes();
  const auto larger = [](V max, V v) HWY_ATTR { return hn::IfThenElse(hn::Gt(v, max), v, max); };
  V m0 = hn::Set(f32, -std::numeric_limits<float>::infinity()), m1 = m0, m2 = m0, m3 = m0;
  std::size_t i = 0;
  for (; i + 4 * step <= size; i += 4 * step) {
    m0 = larger(m0, hn::LoadU(f32, x + i));
    m1 = larger(m1, hn::LoadU(f32, x + i + step));
    m2 = larger(m2, hn::LoadU(f32, x + i + 2 * step));
    m3 = larger(m3, hn::LoadU(f32, x + i + 3 * step));
  }
  for (; i + step <= size; i += step) m0 = larger(m0, hn::LoadU(f32, x + i));
  // The last vector may overlap earlier ones, which is harmless for a maximum.
  if (size >= step) m1 = larger(m1, hn::LoadU(f32, x + size - step));
  float max = hn::GetLane(hn::MaxOfLanes(f32, hn::Max(hn::Max(m0, m1), hn::Max(m2, m3))));
  for (; size < step && i < size; ++i) max = x[i] > max ? x[i] : max;
  return max;
}

// Returns the sum of exp(x - max).
HWY_INLINE float exp_sum(std::int64_t n, const float* x, float max) {
  const V shift = hn::Set(f32, max);
  return sum_over(n, [&](V sum, std::size_t i, auto chunk) HWY_ATTR {
    return hn::Add(sum, chunk.or_zero(exp(hn::Sub(chunk.load(x + i), shift))));
  });
}

// The same, but also stores y = exp(x - max); y may alias x.
HWY_INLINE float exp_and_sum(std::int64_t n, const float* x, float max, float* y) {
  const V shift = hn::Set(f32, max);
  return sum_over(n, [&](V sum, std::size_t i, auto chunk) HWY_ATTR {
    const V e = exp(hn::Sub(chunk.load(x + i), shift));
    chunk.store(e, y + i);
    return hn::Add(sum, chunk.or_zero(e));
  });
}

HWY_INLINE void scale_row(std::int64_t n, float factor, float* y) {
  const V f = hn::Set(f32, factor);
  each_vector(n, [&](std::size_t i, auto chunk)
                     HWY_ATTR { chunk.store(hn::Mul(f, chunk.load(y + i)), y + i); });
}

// y = softmax(x); returns logsumexp(x). y may alias x.
HWY_INLINE float softmax_row(std::int64_t n, const float* x, float* y) {
  const float max = row_max(n, x);
  const float sum = exp_and_sum(n, x, max, y);
  scale_row(n, 1.0f / sum, y);
  return max + std::log(sum);
}

// The lowest index of an element equal to `value`, or -1.
HWY_INLINE std::int64_t first_index_of(std::int64_t n, const float* x, float value) {
  const std::size_t size = static_cast<std::size_t>(n), step = lanes();
  const V wanted = hn::Set(f32, value);
  std::size_t i = 0;
  for (; i + step <= size; i += step) {
    const std::intptr_t lane = hn::FindFirstTrue(f32, hn::Eq(hn::LoadU(f32, x + i), wanted));
    if (lane >= 0) return static_cast<std::int64_t>(i) + lane;
  }
  for (; i < size; ++i)
    if (x[i] == value) return static_cast<std::int64_t>(i);
  return -1;
}

}  // namespace switchyard::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
