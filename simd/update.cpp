// SPDX-License-Identifier: Apache-2.0
#include "simd/update.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/update.cpp"
#include "hwy/foreach_target.h"  // first: includes this file again for each target
#include "simd/common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd {
namespace HWY_NAMESPACE {

void adamw(std::int64_t n, const AdamW& options, float* grad, float* m, float* v, float* param) {
  const auto step = static_cast<double>(options.step);
  const double correction1 = 1 - std::pow(static_cast<double>(options.beta1), step);
  const double correction2 = 1 - std::pow(static_cast<double>(options.beta2), step);
  const auto set = [](double x) HWY_ATTR { return hn::Set(f32, static_cast<float>(x)); };
  const V beta1 = hn::Set(f32, options.beta1), beta2 = hn::Set(f32, options.beta2);
  const V rest1 = set(1 - static_cast<double>(options.beta1));
  const V rest2 = set(1 - static_cast<double>(options.beta2));
  const V keep = set(1 - static_cast<double>(options.lr) * options.weight_decay);
  const V rate = set(options.lr / correction1);
  const V root_factor = set(1 / std::sqrt(correction2));
  const V eps = hn::Set(f32, options.eps), grad_scale = hn::Set(f32, options.grad_scale);
  each_vector(n, [&](std::size_t i, auto chunk) HWY_ATTR {
    const V g = hn::Mul(chunk.load(grad + i), grad_scale);
    const V mean = hn::MulAdd(beta1, chunk.load(m + i), hn::Mul(rest1, g));
    const V square = hn::MulAdd(beta2, chunk.load(v + i), hn::Mul(rest2, hn::Mul(g, g)));
    const V root = hn::MulAdd(hn::Sqrt(square), root_factor, eps);
    const V kept = hn::Mul(keep, chunk.load(param + i));
    chunk.store(mean, m + i);
    chunk.store(square, v + i);
    chunk.store(hn::Zero(f32), grad + i);
    chunk.store(hn::NegMulAdd(rate, hn::Div(mean, root), kept), param + i);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace switchyard::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace switchyard::simd {

HWY_EXPORT(adamw);
decltype(adamw) adamw = dispatch<HWY_DISPATCH_TABLE(adamw)>;

}  // namespace switchyard::simd
#endif
