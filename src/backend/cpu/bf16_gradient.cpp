// SPDX-License-Identifier: Apache-2.0
#include "src/backend/cpu/bf16_gradient.h"

#include <omp.h>

#include <atomic>

#include "simd/pack_bf16.h"
#include "src/backend/cpu/views.h"

namespace switchyard::cpu {

// Large stripes read a wide x less often; they are used if every thread still gets some.
Bf16Gradient::Bf16Gradient(Context& ctx, std::int64_t n, std::int64_t k)
    : n_(n),
      k_(k),
      stripe_rows_(kMostTokens * k > kCachedElements && n >= 2 * kLargeTile * ctx.threads
                       ? kLargeTile
                       : kSmallTile) {
  const auto of_rows = [&](std::int64_t rows) {
    return rows == 0 ? nullptr
                     : &ctx.device->bf16_matmuls.get(
                           ctx, {Bf16Matmul::kTokens, rows, k, DType::f32, true});
  };
  stripe_ = of_rows(n >= stripe_rows_ ? stripe_rows_ : 0);
  rest_ = of_rows(n % stripe_rows_);
}

std::int64_t Bf16Gradient::packed_elements(std::int64_t tokens) const {
  return simd::packed_bf16_panels(k_) * simd::packed_bf16_panel_size(tokens);
}

std::int64_t Bf16Gradient::scratch_elements(std::int64_t tokens, int threads) const {
  const std::int64_t most = std::min(tokens, kMostTokens);
  return packed_elements(most) + threads * stripe_elements(most);
}

void Bf16Gradient::pack(int threads, std::int64_t tokens, const Bf16* x, Bf16* packed) const {
  parallel_tasks(threads, simd::packed_bf16_panels(k_), [&](std::int64_t panel) {
    simd::pack_bf16(tokens, k_, simd::Rows<const Bf16>{x, k_}, panel,
                    packed + panel * simd::packed_bf16_panel_size(tokens));
  });
}

bool Bf16Gradient::run_stripe(int thread, std::int64_t stripe, std::int64_t tokens, const Bf16* dy,
                              const Bf16* packed, View dw, Bf16* scratch) const {
  const std::int64_t row = stripe * stripe_rows_, rows = std::min(stripe_rows_, n_ - row);
  simd::transpose_bf16(tokens, rows, {dy + row, n_}, {scratch, tokens});
  const Bf16Matmul& matmul = rows == stripe_rows_ ? *stripe_ : *rest_;
  return matmul.run(thread, tokens, scratch, packed, f32(dw)[row]);
}

bool Bf16Gradient::run(int thread, int threads, std::int64_t tokens, const ConstView& dy,
                       const ConstView& x, View dw, Bf16* scratch) const {
  std::atomic<bool> ok = true;
  for (std::int64_t first = 0; first < tokens; first += kMostTokens) {
    const std::int64_t size = std::min(kMostTokens, tokens - first);
    Bf16* const of_threads = scratch + packed_elements(size);
    pack(threads, size, bf16(x) + first * k_, scratch);
    parallel_tasks(threads, stripes(), [&](std::int64_t i) {
      const int own = threads == 1 ? 0 : omp_get_thread_num();
      if (!run_stripe(threads == 1 ? thread : own, i, size, bf16(dy) + first * n_, scratch, dw,
                      of_threads + own * stripe_elements(size)))
        ok = false;
    });
  }
  return ok;
}

}  // namespace switchyard::cpu
