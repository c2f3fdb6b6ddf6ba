// SPDX-License-Identifier: Apache-2.0
// The optimizer's two passes over memory: the gradient's norm, and the update.
#include "src/backend/cpu/update.h"

#include <cmath>

#include "simd/reduce.h"
#include "simd/rows.h"
#include "simd/update.h"
#include "src/backend/cpu/views.h"
#include "src/backend/cpu/weight.h"

namespace switchyard {

using cpu::f32;

namespace {

constexpr std::int64_t kBlock = std::int64_t{1} << 16;

// Elements updated as one piece. If the weight has a form to renew, a piece is the rows packed
// together, so that the thread that updates them also packs them.
std::int64_t piece_size(const AdamWParam& param) {
  return param.packed && cpu::is_renewed(*param.packed)
             ? cpu::kPackedRows * param.packed->value.cols
             : kBlock;
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

void decide_update(Context&, const UpdateRule& rule, ConstView squares, ConstView losses,
                   View decision) {
  double square = 0;
  for (std::int64_t r = 0; r < squares.rows; ++r) {
    double row = 0;
    for (std::int64_t c = 0; c < squares.cols; ++c) row += double{f32(squares)[r][c]};
    square += row;
  }
  double loss = 0;
  for (std::int64_t r = 0; r < losses.rows; ++r) loss += double{*f32(losses)[r]};
  loss /= static_cast<double>(rule.target_tokens);
  const auto norm = static_cast<float>(std::sqrt(square));
  const bool clipped = rule.clip_norm > 0 && norm > rule.clip_norm;
  const bool dead = norm == 0 && loss > double{rule.small_loss};
  float* const to = f32(decision).data;
  to[kGradNorm] = norm;
  to[kGradScale] = clipped ? rule.clip_norm / norm : 1;
  to[kUpdated] = std::isfinite(norm) && std::isfinite(loss) && !dead ? 1 : 0;
}

// Elements [first, last) of a parameter.
struct Piece {
  std::int64_t param, first, last;
};

struct AdamWPlan {
  std::vector<AdamWParam> params;
  std::vector<Piece> pieces;
};

std::shared_ptr<const AdamWPlan> plan_adamw(Context&, const std::vector<AdamWParam>& params) {
  auto plan = std::make_shared<AdamWPlan>();
  plan->params = params;
  for (std::size_t i = 0; i < params.size(); ++i) {
    const auto& [value, grad, m, v, packed] = params[i];
    assert(value.contiguous() && grad.contiguous() && m.contiguous() && v.contiguous());
    const std::int64_t end = grad.size(), size = piece_size(params[i]);
    for (std::int64_t first = 0; first < end; first += size)
      plan->pieces.push_back({static_cast<std::int64_t>(i), first, std::min(end, first + size)});
  }
  return plan;
}

void adamw(Context& ctx, const AdamW& options, const AdamWPlan& plan, ConstView decision) {
  const simd::AdamW kernel{options.lr,
                           options.beta1,
                           options.beta2,
                           options.eps,
                           options.weight_decay,
                           options.step,
                           cpu::grad_scale(decision)};
  const bool skipped = cpu::is_skipped(decision);
  parallel_tasks(ctx.threads, std::ssize(plan.pieces), [&](std::int64_t task) {
    const auto [index, first, last] = plan.pieces[static_cast<std::size_t>(task)];
    const AdamWParam& param = plan.params[static_cast<std::size_t>(index)];
    float* const grad = f32(param.grad).data + first;
    if (skipped) {
      std::fill(grad, grad + (last - first), 0.0f);
      return;
    }
    simd::adamw(last - first, kernel, grad, f32(param.m).data + first, f32(param.v).data + first,
                f32(param.value).data + first);
    if (param.packed) cpu::renew_rows(*param.packed, first / param.packed->value.cols);
  });
}

void update_average(Context& ctx, float t, ConstView x, ConstView decision, View average) {
  assert(x.contiguous() && average.contiguous() && x.size() == average.size());
  if (cpu::is_skipped(decision)) return;
  parallel_for(ctx.threads, 0, x.size(), std::int64_t{1} << 15,
               [&](std::int64_t first, std::int64_t last) {
                 const std::int64_t count = last - first;
                 simd::lerp(1, count, t, simd::In{f32(x).data + first, count},
                            {f32(average).data + first, count});
               });
}

}  // namespace switchyard
