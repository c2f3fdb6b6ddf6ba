// SPDX-License-Identifier: Apache-2.0
#include "simd/routing.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/routing.cpp"
#include "hwy/foreach_target.h"  // first: includes this file again for each target
#include "simd/softmax-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd {
namespace HWY_NAMESPACE {

void top1_route(std::int64_t rows, std::int64_t num_experts, In logits, Out probs, Out logsumexp,
                IndexOut expert_index, Out combine_weight) {
  for (std::int64_t r = 0; r < rows; ++r) {
    float* p = probs[r];
    const float lse = softmax_row(num_experts, logits[r], p);
    if (logsumexp) *logsumexp[r] = lse;
    const std::int64_t best =
        std::max<std::int64_t>(0, first_index_of(num_experts, p, row_max(num_experts, p)));
    *expert_index[r] = static_cast<std::int32_t>(best);
    *combine_weight[r] = p[best];
  }
}

void router_backward(std::int64_t rows, std::int64_t num_experts, In probs, In logsumexp,
                     IndexIn expert_index, In grad_combine_weight, const float* grad_probs,
                     float z_scale, Out grad_logits) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* p = probs[r];
    float* grad = grad_logits[r];
    const std::int32_t chosen = *expert_index[r];
    const float p_chosen = p[chosen];
    const float by_weight = grad_combine_weight ? *grad_combine_weight[r] : 0.0f;
    const float mean = dot_product(num_experts, p, grad_probs) + p_chosen * by_weight;
    const V shift = hn::Set(f32, z_scale * *logsumexp[r] - mean);
    each_vector(num_experts, [&](std::size_t i, auto chunk) HWY_ATTR {
      const V b = hn::Add(chunk.load(grad_probs + i), shift);
      chunk.store(hn::Mul(chunk.load(p + i), b), grad + i);
    });
    grad[chosen] += p_chosen * by_weight;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace switchyard::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace switchyard::simd {

HWY_EXPORT(top1_route);
decltype(top1_route) top1_route = dispatch<HWY_DISPATCH_TABLE(top1_route)>;
HWY_EXPORT(router_backward);
decltype(router_backward) router_backward = dispatch<HWY_DISPATCH_TABLE(router_backward)>;

}  // namespace switchyard::simd
#endif
