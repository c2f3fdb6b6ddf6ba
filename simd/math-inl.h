// SPDX-License-Identifier: Apache-2.0
// Elementary functions of vectors, to f32 accuracy. NaN in, NaN out.
#if defined(SWITCHYARD_SIMD_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SWITCHYARD_SIMD_MATH_INL_H_
#undef SWITCHYARD_SIMD_MATH_INL_H_
#else
#define SWITCHYARD_SIMD_MATH_INL_H_
#endif

#include "hwy/contrib/math/math-inl.h"
#include "simd/common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd::HWY_NAMESPACE {

// Highway's Exp returns 0 for NaN and is undefined above 104.
HWY_INLINE V exp(V x) {
  return hn::IfThenElse(hn::IsNaN(x), x, hn::Exp(f32, hn::Min(x, hn::Set(f32, 104.0f))));
}

HWY_INLINE V sigmoid(V x) {
  const V one = hn::Set(f32, 1.0f);
  return hn::Div(one, hn::Add(one, exp(hn::Neg(x))));
}

// |x| <= 1: x * P(x^2). Beyond: 1 - exp(Q(|x|)) with Q = log(1 - erf), constant from 4 on because
// erf is 1 in f32 there. Both polynomials are least-squares fits on Chebyshev points; the error is
// below 1e-7.
HWY_INLINE V erf(V x) {
  const V a = hn::Min(hn::Abs(x), hn::Set(f32, 4.0f));
  const V x2 = hn::Mul(x, x);
  V p = hn::Set(f32, 7.8824974e-05f);
  p = hn::MulAdd(p, x2, hn::Set(f32, -0.0008018855f));
  p = hn::MulAdd(p, x2, hn::Set(f32, 0.005189312f));
  p = hn::MulAdd(p, x2, hn::Set(f32, -0.026854329f));
  p = hn::MulAdd(p, x2, hn::Set(f32, 0.11283597f));
  p = hn::MulAdd(p, x2, hn::Set(f32, -0.37612626f));
  p = hn::MulAdd(p, x2, hn::Set(f32, 1.1283791f));
  V q = hn::Set(f32, -1.8284509e-05f);
  q = hn::MulAdd(q, a, hn::Set(f32, 0.00039661245f));
  q = hn::MulAdd(q, a, hn::Set(f32, -0.003959018f));
  q = hn::MulAdd(q, a, hn::Set(f32, 0.02447846f));
  q = hn::MulAdd(q, a, hn::Set(f32, -0.10715024f));
  q = hn::MulAdd(q, a, hn::Set(f32, -0.63450927f));
  q = hn::MulAdd(q, a, hn::Set(f32, -1.128868f));
  q = hn::MulAdd(q, a, hn::Set(f32, 2.4270834e-05f));
  const V one = hn::Set(f32, 1.0f);
  const V large = hn::CopySign(hn::Sub(one, hn::Exp(f32, q)), x);
  return hn::IfThenElse(hn::Gt(hn::Abs(x), one), large, hn::Mul(x, p));
}

}  // namespace switchyard::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
