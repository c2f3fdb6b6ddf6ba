// SPDX-License-Identifier: Apache-2.0
// The output head in bfloat16, a block of the vocabulary at a time. The full weight does not fit in
// a core's cache; one block does. Multiplying all tokens by one block at a time is twice as fast as
// multiplying by the full weight.
#include <omp.h>

#include <atomic>

#include "simd/pack_bf16.h"
#include "simd/rows.h"
#include "src/backend/cpu/bf16_gradient.h"
#include "src/backend/cpu/views.h"
#include "src/backend/cpu/weight_bf16.h"

namespace switchyard::cpu {

static_assert(kHeadTokens <= kMostTokens);

simd::LogitBlocks Bf16Form::logit_blocks(const ConstView& logits) const {
  return {bf16_rounded(logits.rows), logits.cols, kHeadBlock};
}

void Bf16Form::logits(Context& ctx, const ConstView& h, const Weight& head, View logits) const {
  const simd::LogitBlocks shape = logit_blocks(logits);
  const std::int64_t last = shape.count() - 1, d_model = h.cols;
  const auto matmul = [&](std::int64_t block) -> const Bf16Matmul& {
    return rows_matmul(ctx, shape.cols(block), d_model, DType::f32, Write::overwrite);
  };
  // One tile size for all blocks: if d_model exceeds 1,024, a narrow last block makes it small.
  const std::int64_t tile = std::min(matmul(0).max_size(), matmul(last).max_size());
  const std::int64_t tiles = (shape.rows + tile - 1) / tile;
  const Bf16* packed = bf16(head.packed->bf16_transposed.view());
  const std::int64_t block_size =
      simd::packed_bf16_panels(kHeadBlock) * simd::packed_bf16_panel_size(d_model);

  const OneThreadEach one_thread_each;
  std::atomic<bool> ok = true;
  parallel_tasks(ctx.threads, shape.count() * tiles, [&](std::int64_t i) {
    const std::int64_t block = i / tiles, first = i % tiles * tile;
    if (!matmul(block).run(omp_get_thread_num(), std::min(tile, shape.rows - first),
                           bf16(h) + first * d_model, packed + block * block_size,
                           f32(logits).data + shape.offset(first, block)))
      ok = false;
  });
  check_matmul(ok);
}

void Bf16Form::logits_backward(Context& ctx, const ConstView& h, const Weight& head,
                               View grad_logits, View dh, View dw) const {
  check_gradients(ctx);
  const simd::LogitBlocks shape = logit_blocks(grad_logits);
  assert(head.role == WeightRole::head && shape.rows <= kHeadTokens && h.contiguous());
  assert(!dh || (dh.dtype == DType::f32 && dh.contiguous() && dh.row_capacity >= shape.rows));
  assert(!dw || dw.contiguous());
  const std::int64_t last = shape.count() - 1, d_model = h.cols;
  const auto dh_matmul = [&](std::int64_t block) -> const Bf16Matmul& {
    return rows_matmul(ctx, d_model, shape.cols(block), DType::f32,
                       block > 0 ? Write::add : Write::overwrite);
  };
  const auto gradient_of = [&](std::int64_t block) {
    return Bf16Gradient(ctx, shape.cols(block), d_model);
  };
  const std::int64_t tile = std::min(dh_matmul(0).max_size(), dh_matmul(last).max_size());
  const std::int64_t tiles = dh ? (shape.rows + tile - 1) / tile : 0;
  const Bf16* packed = plain(head);
  const std::int64_t block_size =
      simd::packed_bf16_panels(d_model) * kHeadBlock * simd::kBf16PanelCols;

  ArenaScope scope(ctx.scratch);
  const Bf16Gradient first_gradient = gradient_of(0);
  auto* packed_h = scratch_array<Bf16>(ctx, first_gradient.packed_elements(shape.rows));
  const std::int64_t stripe_size = first_gradient.stripe_elements(shape.rows);
  auto* stripes = scratch_array<Bf16>(ctx, ctx.threads * stripe_size);
  const OneThreadEach one_thread_each;
  std::atomic<bool> ok = true;
  if (dw) {
    // The sum over tokens includes the padding.
    simd::fill(shape.rows - h.rows, d_model, 0, any(padding_of(h, shape.rows - h.rows)));
    first_gradient.pack(ctx.threads, shape.rows, bf16(h), packed_h);
  }
  for (std::int64_t block = 0; block <= last; ++block) {
    const std::int64_t cols = shape.cols(block);
    Bf16* const dy = static_cast<Bf16*>(grad_logits.data) + shape.offset(0, block);
    simd::fill(shape.rows - h.rows, cols, 0, simd::AnyOut(dy + h.rows * cols, cols, DType::bf16));
    const Bf16Matmul& by_block = dh_matmul(block);
    const Bf16Gradient gradient = gradient_of(block);
    const std::int64_t num_stripes = dw ? gradient.stripes() : 0;
    parallel_tasks(ctx.threads, tiles + num_stripes, [&](std::int64_t i) {
      const int thread = omp_get_thread_num();
      bool done;
      if (i < tiles) {
        const std::int64_t first = i * tile;
        done = by_block.run(thread, std::min(tile, shape.rows - first), dy + first * cols,
                            packed + block * block_size, f32(dh)[first]);
      } else {
        done = gradient.run_stripe(thread, i - tiles, shape.rows, dy, packed_h,
                                   dw.slice_rows(block * kHeadBlock, cols),
                                   stripes + thread * stripe_size);
      }
      if (!done) ok = false;
    });
  }
  check_matmul(ok);
}

}  // namespace switchyard::cpu
