// SPDX-License-Identifier: Apache-2.0
#include "simd/small_gemm.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/small_gemm.cpp"
#include "hwy/foreach_target.h"  // first: includes this file again for each target
#include "simd/small_gemm-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd {
namespace HWY_NAMESPACE {

void small_gemm_nt(std::int64_t m, std::int64_t n, std::int64_t k, In a, In b, Out c) {
  for (std::int64_t r = 0; r < m; ++r) dot_rows(n, k, a[r], b, c[r]);
}

void small_gemm_nn(std::int64_t m, std::int64_t n, std::int64_t k, In a, In b, Out c) {
  multiply<false>(m, n, k, plain(a), b, c);
}

void small_gemm_tn(std::int64_t m, std::int64_t n, std::int64_t k, In a, In b, Out c) {
  multiply<false>(m, n, k, transposed(a), b, c);
}

}  // namespace HWY_NAMESPACE
}  // namespace switchyard::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace switchyard::simd {

HWY_EXPORT(small_gemm_nt);
HWY_EXPORT(small_gemm_nn);
HWY_EXPORT(small_gemm_tn);

void small_gemm_nt(std::int64_t m, std::int64_t n, std::int64_t k, In a, In b, Out c) {
  HWY_DYNAMIC_DISPATCH(small_gemm_nt)(m, n, k, a, b, c);
}

void small_gemm_nn(std::int64_t m, std::int64_t n, std::int64_t k, In a, In b, Out c) {
  HWY_DYNAMIC_DISPATCH(small_gemm_nn)(m, n, k, a, b, c);
}

void small_gemm_tn(std::int64_t m, std::int64_t n, std::int64_t k, In a, In b, Out c) {
  HWY_DYNAMIC_DISPATCH(small_gemm_tn)(m, n, k, a, b, c);
}

}  // namespace switchyard::simd
#endif
