// SPDX-License-Identifier: Apache-2.0
// Output head and cross-entropy, a block of tokens at a time: the gradient overwrites the block's
// logits, and the logits of all tokens never exist together (Cut Cross-Entropy, arXiv 2411.09009).
#include "simd/cross_entropy.h"
#include "src/backend/cpu/views.h"

namespace switchyard {

using cpu::any;
using cpu::f32;
using cpu::from;
using cpu::i32;

void linear_cross_entropy(Context& ctx, View h, const Weight& head, View labels,
                          float label_smoothing, View sums, float grad_scale, View dh,
                          View grad_head) {
  constexpr std::int64_t kBlock = 512;
  const std::int64_t vocab = head.value.rows;
  ArenaScope scope(ctx.scratch);
  const bool with_gradient = dh || grad_head;
  const View block_logits = ctx.scratch.make(std::min(kBlock, h.rows), vocab);
  // In place, unless its products want another type.
  const View block_grad = with_gradient && h.dtype != DType::f32
                              ? ctx.scratch.make(block_logits.rows, vocab, h.dtype)
                              : block_logits;
  auto* losses = cpu::scratch_array<simd::TokenLoss>(ctx, std::min(kBlock, h.rows));
  simd::TokenLoss sum;
  for (std::int64_t begin = 0; begin < h.rows; begin += kBlock) {
    const std::int64_t rows = std::min(kBlock, h.rows - begin);
    const View h_block = h.slice_rows(begin, rows);
    const View logits = block_logits.slice_rows(0, rows);
    const View grad_logits = block_grad.slice_rows(0, rows);
    linear(ctx, h_block, head, logits);
    cpu::for_rows(ctx, rows, vocab, [&](std::int64_t first, std::int64_t count) {
      const simd::IndexIn label = from(i32(labels), begin + first);
      if (with_gradient) {
        simd::cross_entropy_gradient(count, vocab, from(f32(logits), first), label, label_smoothing,
                                     grad_scale, losses + first, from(any(grad_logits), first));
      } else {
        simd::cross_entropy(count, vocab, from(f32(logits), first), label, label_smoothing,
                            losses + first);
      }
    });
    for (std::int64_t r = 0; r < rows; ++r) {
      sum.loss += losses[r].loss;
      sum.nll += losses[r].nll;
    }
    if (with_gradient)
      linear_backward(ctx, h_block, head, grad_logits, dh ? dh.slice_rows(begin, rows) : dh, false,
                      grad_head);
  }
  f32(sums).data[0] += static_cast<float>(sum.loss);
  f32(sums).data[1] += static_cast<float>(sum.nll);
}

}  // namespace switchyard
