// SPDX-License-Identifier: Apache-2.0
// Top-1 routing of rows and its gradient: Switch Transformer (arXiv 2101.03961) eq. 1, 4-6, and the
// z-loss of ST-MoE (arXiv 2202.08906) eq. 5. The backend assigns slots and enforces capacity.
#pragma once

#include "simd/rows_view.h"

namespace switchyard::simd {

// probs = softmax(logits) [rows, num_experts]; logsumexp [rows, 1]; expert_index [rows, 1] = argmax
// of probs, where the lowest index wins ties (0 for a row of NaN); combine_weight [rows, 1] = probs
// at expert_index. logsumexp may be empty.
extern void (*const top1_route)(std::int64_t rows, std::int64_t num_experts, In logits, Out probs,
                                Out logsumexp, IndexOut expert_index, Out combine_weight);

// grad_logits[e] = probs[e] * (b[e] - sum_j probs[j] * b[j] + z_scale * logsumexp)   [rows, E]
// with b[e] = grad_probs[e] + (e == expert_index ? grad_combine_weight : 0).
// grad_probs [E] is the same for all rows: aux_coef * E * f_e / T for the balance loss; z_scale is
// 2 * z_coef / T. An empty grad_combine_weight means zero.
extern void (*const router_backward)(std::int64_t rows, std::int64_t num_experts, In probs,
                                     In logsumexp, IndexIn expert_index, In grad_combine_weight,
                                     const float* grad_probs, float z_scale, Out grad_logits);

}  // namespace switchyard::simd
