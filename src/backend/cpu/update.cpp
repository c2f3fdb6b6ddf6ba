// SPDX-License-Identifier: Apache-2.0
// The optimizer's two passes over memory: the gradient's norm, and the update.
#include "simd/update.h"

#include "simd/reduce.h"
#include "src/backend/cpu/views.h"
#include "src/backend/cpu/weight.h"

namespace switchyard {

using cpu::f32;

namespace {

constexpr std::int64_t kBlock = std::int64_t{1} << 16;

// Elements [first, last) of a parameter. Of one with a form to renew: rows that are packed
// together, by the thread that has just updated them.
struct Piece {
  std::int64_t param, first, last;
};

std::int64_t piece_size(const Weight& weight) {
  return cpu::is_renewed(weight) ? cpu::kPackedRows * weight.value.cols : kBlock;
}

}  // namespace

void sum_of_squares(Context& ctx, ConstView x, View out) {
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

void adamw(Context& ctx, const AdamW& options, const AdamWParam* params, std::int64_t count) {
  const simd::AdamW kernel{options.lr,           options.beta1, options.beta2,     options.eps,
                           options.weight_decay, options.step,  options.grad_scale};
  std::int64_t pieces = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t size = piece_size(*params[i].weight);
    pieces += (params[i].grad.size() + size - 1) / size;
  }
  const ArenaScope scope(ctx.scratch);
  auto* const all = cpu::scratch_array<Piece>(ctx, pieces);
  Piece* next = all;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t end = params[i].grad.size(), size = piece_size(*params[i].weight);
    for (std::int64_t first = 0; first < end; first += size)
      *next++ = {i, first, std::min(end, first + size)};
  }
  parallel_tasks(ctx.threads, pieces, [&](std::int64_t task) {
    const auto [index, first, last] = all[task];
    const auto& [weight, grad, m, v] = params[index];
    assert(grad.contiguous() && m.contiguous() && v.contiguous() && weight->value.contiguous());
    simd::adamw(last - first, kernel, f32(grad).data + first, f32(m).data + first,
                f32(v).data + first, f32(weight->value).data + first);
    cpu::renew_rows(*weight, first / weight->value.cols);
  });
}

}  // namespace switchyard
