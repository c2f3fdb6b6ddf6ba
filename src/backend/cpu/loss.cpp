// SPDX-License-Identifier: Apache-2.0
// Output head and cross-entropy, a block of tokens at a time, so the full logit matrix never exists
// (Cut Cross-Entropy, arXiv 2411.09009).
#include "simd/cross_entropy.h"
#include "src/backend/cpu/views.h"
#include "src/backend/cpu/weight.h"

namespace switchyard {

using cpu::any;
using cpu::f32;
using cpu::from;
using cpu::i32;

void linear_cross_entropy(Context& ctx, const CrossEntropyCall& call, View sums,
                          const CrossEntropyGrads& grads) {
  const ConstView h = call.h;
  const Weight& head = *call.head;
  const View dh = grads.dh, grad_head = grads.grad_head;
  const std::int64_t vocab = head.value.rows;
  const cpu::WeightForm& form = cpu::form_of(ctx, head);
  ArenaScope scope(ctx.scratch);
  const bool with_gradient = dh || grad_head;
  const View block_logits = ctx.scratch.make(std::min(cpu::kHeadTokens, h.rows), vocab);
  // The gradient overwrites the block's logits unless it has a different type.
  const View block_grad = with_gradient && h.dtype != DType::f32
                              ? ctx.scratch.make(block_logits.rows, vocab, h.dtype)
                              : block_logits;
  auto* losses = cpu::scratch_array<simd::TokenLoss>(ctx, block_logits.rows);
  simd::TokenLoss sum;
  for (std::int64_t begin = 0; begin < h.rows; begin += cpu::kHeadTokens) {
    const std::int64_t rows = std::min(cpu::kHeadTokens, h.rows - begin);
    const ConstView h_block = h.slice_rows(begin, rows);
    const View logits = block_logits.slice_rows(0, rows);
    const View grad_logits = block_grad.slice_rows(0, rows);
    const View dh_block = dh ? dh.slice_rows(begin, rows) : dh;
    assert(grad_logits.row_stride == logits.row_stride);
    const simd::LogitBlocks shape = form.logit_blocks(logits);
    form.logits(ctx, h_block, head, logits);
    const simd::IndexIn label = from(i32(call.labels), begin);
    cpu::for_rows(ctx, rows, vocab, [&](std::int64_t first, std::int64_t count) {
      if (with_gradient) {
        simd::cross_entropy_gradient(shape, first, count, f32(logits).data, label,
                                     call.label_smoothing, call.grad_scale, losses,
                                     any(grad_logits));
      } else {
        simd::cross_entropy(shape, first, count, f32(logits).data, label, call.label_smoothing,
                            losses);
      }
    });
    for (std::int64_t r = 0; r < rows; ++r) {
      sum.loss += losses[r].loss;
      sum.nll += losses[r].nll;
    }
    if (with_gradient) form.logits_backward(ctx, h_block, head, grad_logits, dh_block, grad_head);
  }
  f32(sums).data[0] += static_cast<float>(sum.loss);
  f32(sums).data[1] += static_cast<float>(sum.nll);
}

}  // namespace switchyard
