// SPDX-License-Identifier: Apache-2.0
#include "simd/softmax.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/softmax.cpp"
#include "hwy/foreach_target.h"  // first: includes this file again for each target
#include "simd/softmax-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd {
namespace HWY_NAMESPACE {

void softmax(std::int64_t rows, std::int64_t cols, In logits, Out probs, Out logsumexp) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const float lse = softmax_row(cols, logits[r], probs[r]);
    if (logsumexp) *logsumexp[r] = lse;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace switchyard::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace switchyard::simd {

HWY_EXPORT(softmax);

void softmax(std::int64_t rows, std::int64_t cols, In logits, Out probs, Out logsumexp) {
  HWY_DYNAMIC_DISPATCH(softmax)(rows, cols, logits, probs, logsumexp);
}

}  // namespace switchyard::simd
#endif
