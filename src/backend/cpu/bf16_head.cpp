// SPDX-License-Identifier: Apache-2.0
#include "src/backend/cpu/bf16_head.h"

#include <omp.h>

#include <atomic>

#include "simd/pack_bf16.h"
#include "simd/rows.h"
#include "src/backend/cpu/views.h"

namespace switchyard::cpu {

void bf16_head_logits(Context& ctx, const ConstView& h, const Weight& head, float* logits) {
  const simd::LogitBlocks shape = bf16_head_blocks(h, head);
  const std::int64_t last = shape.count() - 1, d_model = h.cols;
  const auto product = [&](std::int64_t block) -> const Bf16Product& {
    return ctx.device->bf16_products.get(
        ctx, {Bf16Product::kRows, shape.cols(block), d_model, DType::f32, false});
  };
  // One tile for all blocks: where d_model is above 1,024 a narrow last one makes it small.
  const std::int64_t tile = std::min(product(0).max_size(), product(last).max_size());
  const std::int64_t tiles = (shape.rows + tile - 1) / tile;
  const Bf16* packed = bf16(head.packed->bf16_transposed.view());
  const std::int64_t block_size =
      simd::packed_bf16_panels(kHeadBlock) * simd::packed_bf16_panel_size(d_model);

  const OneThreadEach one_thread_each;
  std::atomic<bool> ok = true;
  parallel_tasks(ctx.threads, shape.count() * tiles, [&](std::int64_t i) {
    const std::int64_t block = i / tiles, first = i % tiles * tile;
    if (!product(block).run(omp_get_thread_num(), std::min(tile, shape.rows - first),
                            bf16(h) + first * d_model, packed + block * block_size,
                            logits + shape.offset(first, block)))
      ok = false;
  });
  check_gemm(ok);
}

void bf16_head_backward(Context& ctx, const ConstView& h, const Weight& head, Bf16* grad,
                        const View& dh, const View& grad_head) {
  const simd::LogitBlocks shape = bf16_head_blocks(h, head);
  assert(head.is_head && shape.rows <= kHeadTokens && h.contiguous());
  assert(!dh || (dh.dtype == DType::f32 && dh.contiguous() && dh.row_capacity >= shape.rows));
  assert(!grad_head || grad_head.contiguous());
  const std::int64_t last = shape.count() - 1, d_model = h.cols;
  const auto dh_product = [&](std::int64_t block) -> const Bf16Product& {
    return ctx.device->bf16_products.get(
        ctx, {Bf16Product::kRows, d_model, shape.cols(block), DType::f32, block > 0});
  };
  const auto head_products = [&](std::int64_t block) {
    return TokenProducts(ctx, shape.cols(block), d_model);
  };
  const std::int64_t tile = std::min(dh_product(0).max_size(), dh_product(last).max_size());
  const std::int64_t tiles = dh ? (shape.rows + tile - 1) / tile : 0;
  const Bf16* packed = bf16(head.packed->bf16.view());
  const std::int64_t block_size =
      simd::packed_bf16_panels(d_model) * kHeadBlock * simd::kBf16PanelCols;

  ArenaScope scope(ctx.scratch);
  const TokenProducts first_products = head_products(0);
  auto* packed_h = scratch_array<Bf16>(ctx, first_products.packed_elements(shape.rows));
  const std::int64_t stripe_size = first_products.stripe_elements(shape.rows);
  auto* stripes = scratch_array<Bf16>(ctx, ctx.threads * stripe_size);
  const OneThreadEach one_thread_each;
  std::atomic<bool> ok = true;
  if (grad_head) {
    // The rows past the last token are summed over, too.
    simd::fill(shape.rows - h.rows, d_model, 0, any(padding_of(h, shape.rows - h.rows)));
    first_products.pack(ctx.threads, shape.rows, bf16(h), packed_h);
  }
  for (std::int64_t block = 0; block <= last; ++block) {
    const std::int64_t cols = shape.cols(block);
    Bf16* const dy = grad + shape.offset(0, block);
    simd::fill(shape.rows - h.rows, cols, 0, simd::AnyOut(dy + h.rows * cols, cols, DType::bf16));
    const Bf16Product& by_block = dh_product(block);
    const TokenProducts products = head_products(block);
    const std::int64_t num_stripes = grad_head ? products.stripes() : 0;
    parallel_tasks(ctx.threads, tiles + num_stripes, [&](std::int64_t i) {
      const int thread = omp_get_thread_num();
      bool done;
      if (i < tiles) {
        const std::int64_t first = i * tile;
        done = by_block.run(thread, std::min(tile, shape.rows - first), dy + first * cols,
                            packed + block * block_size, f32(dh)[first]);
      } else {
        done = products.run_stripe(thread, i - tiles, shape.rows, dy, packed_h,
                                   grad_head.slice_rows(block * kHeadBlock, cols),
                                   stripes + thread * stripe_size);
      }
      if (!done) ok = false;
    });
  }
  check_gemm(ok);
}

}  // namespace switchyard::cpu
