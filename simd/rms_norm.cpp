// SPDX-License-Identifier: Apache-2.0
#include "simd/rms_norm.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/rms_norm.cpp"
#include "hwy/foreach_target.h"  // first: includes this file again for each target
#include "simd/common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd {
namespace HWY_NAMESPACE {

template <class Y>
void rms_norm_typed(std::int64_t rows, std::int64_t cols, In x, const float* weight, float eps,
                    Rows<Y> y, Out inv_rms) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* from = x[r];
    Y* to = y[r];
    const float mean_square = dot_product(cols, from, from) / static_cast<float>(cols);
    const float inv = 1.0f / std::sqrt(mean_square + eps);
    if (inv_rms) *inv_rms[r] = inv;
    const V factor = hn::Set(f32, inv);
    each_vector(cols, [&](std::size_t i, auto chunk) HWY_ATTR {
      const V normed = hn::Mul(chunk.load(from + i), factor);
      chunk.store(hn::Mul(chunk.load(weight + i), normed), to + i);
    });
  }
}

void rms_norm(std::int64_t rows, std::int64_t cols, In x, const float* weight, float eps, AnyOut y,
              Out inv_rms) {
  with_rows(y, [&](auto to) { rms_norm_typed(rows, cols, x, weight, eps, to, inv_rms); });
}

void rms_norm_backward(std::int64_t rows, std::int64_t cols, In x, const float* weight, In inv_rms,
                       In dy, Out dx, float* grad_weight) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* xr = x[r];
    const float* dyr = dy[r];
    float* dxr = dx[r];
    const float inv = *inv_rms[r];
    const float sum = sum_over(cols, [&](V s, std::size_t i, auto chunk) HWY_ATTR {
      const V grad = hn::Mul(chunk.load(weight + i), chunk.load(dyr + i));
      return hn::MulAdd(grad, chunk.load(xr + i), s);
    });
    const V factor = hn::Set(f32, inv);
    const V pull = hn::Set(f32, sum * inv * inv * inv / static_cast<float>(cols));
    each_vector(cols, [&](std::size_t i, auto chunk) HWY_ATTR {
      const V xi = chunk.load(xr + i);
      const V grad = hn::Mul(chunk.load(dyr + i), factor);
      const V kept = hn::MulAdd(grad, chunk.load(weight + i), chunk.load(dxr + i));
      if (grad_weight)
        chunk.store(hn::MulAdd(grad, xi, chunk.load(grad_weight + i)), grad_weight + i);
      chunk.store(hn::NegMulAdd(xi, pull, kept), dxr + i);
    });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace switchyard::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace switchyard::simd {

HWY_EXPORT(rms_norm);
decltype(rms_norm) rms_norm = dispatch<HWY_DISPATCH_TABLE(rms_norm)>;
HWY_EXPORT(rms_norm_backward);
decltype(rms_norm_backward) rms_norm_backward = dispatch<HWY_DISPATCH_TABLE(rms_norm_backward)>;

}  // namespace switchyard::simd
#endif
