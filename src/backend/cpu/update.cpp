// SPDX-License-Identifier: Apache-2.0
// The optimizer's passes over flat ranges of parameters.
#include "simd/update.h"

#include "simd/reduce.h"
#include "src/backend/cpu/views.h"

namespace switchyard {

using cpu::f32;

namespace {

constexpr std::int64_t kBlock = std::int64_t{1} << 16;

}  // namespace

void sum_of_squares(Context& ctx, View x, View out) {
  assert(x.contiguous());
  ArenaScope scope(ctx.scratch);
  const std::int64_t blocks = (x.size() + kBlock - 1) / kBlock;
  auto* partial = cpu::scratch_array<double>(ctx, blocks);
  parallel_for(ctx.threads, 0, x.size(), kBlock, [&](std::int64_t first, std::int64_t last) {
    partial[first / kBlock] = simd::sum_of_squares(last - first, f32(x).data + first);
  });
  double sum = 0;
  for (std::int64_t b = 0; b < blocks; ++b) sum += partial[b];
  *f32(out).data = static_cast<float>(sum);
}

void adamw(Context& ctx, const AdamW& options, View grad, View m, View v, View param) {
  const simd::AdamW kernel{options.lr,           options.beta1, options.beta2,     options.eps,
                           options.weight_decay, options.step,  options.grad_scale};
  assert(grad.contiguous() && m.contiguous() && v.contiguous() && param.contiguous());
  parallel_for(ctx.threads, 0, param.size(), kBlock, [&](std::int64_t first, std::int64_t last) {
    simd::adamw(last - first, kernel, f32(grad).data + first, f32(m).data + first,
                f32(v).data + first, f32(param).data + first);
  });
}

}  // namespace switchyard
