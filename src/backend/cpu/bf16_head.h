// SPDX-License-Identifier: Apache-2.0
// The output head's products in bfloat16, a block of the vocabulary at a time. A vocabulary's
// weight does not stay in a core's cache, one block of it does: while all tokens are multiplied
// with it, its products run at twice the rate of those with the whole weight.
#pragma once

#include "simd/cross_entropy.h"
#include "src/backend/backend.h"
#include "src/backend/cpu/bf16_gemm.h"
#include "src/backend/cpu/matmul.h"

namespace switchyard::cpu {

// The most tokens at a time.
constexpr std::int64_t kHeadTokens = kMostTokens;

// Of h [T, d_model] bf16, T at most kHeadTokens.
inline simd::LogitBlocks bf16_head_blocks(const ConstView& h, const Weight& head) {
  return {bf16_rounded(h.rows), head.value.rows, kHeadBlock};
}
// logits, in those blocks, = h . head^T
void bf16_head_logits(Context& ctx, const ConstView& h, const Weight& head, float* logits);
// dh [T, d_model] f32 = grad . head and grad_head += grad^T . h, each of which may be empty. grad:
// of the logits, in those blocks; its rows past T are overwritten.
void bf16_head_backward(Context& ctx, const ConstView& h, const Weight& head, Bf16* grad,
                        const View& dh, const View& grad_head);

}  // namespace switchyard::cpu
