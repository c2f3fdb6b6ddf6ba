// SPDX-License-Identifier: Apache-2.0
// Products of small matrices, f32, single-threaded, nothing packed ahead: attention's sizes, and
// few rows. An element of c is summed over K from first to last (in lanes along K for nt), whatever
// M: a row's bits do not depend on the rows beside it.
#pragma once

#include "simd/rows_view.h"

namespace switchyard::simd {

// c [M, N] = a [M, K] . b [N, K]^T
void small_gemm_nt(std::int64_t m, std::int64_t n, std::int64_t k, In a, In b, Out c);
// c [M, N] = a [M, K] . b [K, N]
void small_gemm_nn(std::int64_t m, std::int64_t n, std::int64_t k, In a, In b, Out c);
// c [M, N] = a [K, M]^T . b [K, N]
void small_gemm_tn(std::int64_t m, std::int64_t n, std::int64_t k, In a, In b, Out c);

}  // namespace switchyard::simd
