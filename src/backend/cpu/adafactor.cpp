// SPDX-License-Identifier: Apache-2.0
// Adafactor, one parameter at a time: an update needs two rounds of sums over its whole gradient.
#include "simd/adafactor.h"

#include <cmath>

#include "simd/reduce.h"
#include "src/backend/cpu/update.h"
#include "src/backend/cpu/views.h"
#include "src/backend/cpu/weight.h"

namespace switchyard {

using cpu::f32;
using cpu::from;

namespace {

// Rows per piece. The thread that updates them also packs them, while they are in its cache.
constexpr std::int64_t kRows = cpu::kPackedRows;

void update(Context& ctx, const Adafactor& options, float grad_scale, const AdafactorParam& param) {
  const std::int64_t rows = param.grad.rows, cols = param.grad.cols;
  const simd::Out grad = f32(param.grad), value = f32(param.weight->value);
  const ArenaScope scope(ctx.scratch);
  auto* const row_factor = cpu::scratch_array<float>(ctx, rows);
  auto* const col_factor = cpu::scratch_array<float>(ctx, cols);

  // Holds sums of squares first, then the update factors.
  std::fill(col_factor, col_factor + cols, 0.0f);
  cpu::sum_row_blocks(ctx, rows, cols, col_factor,
                      [&](std::int64_t first, std::int64_t count, float* partial) {
                        simd::adafactor_squares(count, cols, grad_scale, options.eps,
                                                from(grad, first), row_factor + first, partial);
                      });
  const double take = std::pow(static_cast<double>(options.step), double{options.decay_rate});
  const auto average = [&](std::int64_t n, std::int64_t count, const float* sums, float* state) {
    simd::moving_average(n, static_cast<float>(1 - take),
                         static_cast<float>(take / static_cast<double>(count)), sums, state);
  };
  float* const col = f32(param.col).data;
  average(cols, rows, col_factor, col);
  simd::inverse_roots(cols, 1, 1, col, col_factor);
  if (param.row) {
    float* const row = f32(param.row).data;
    average(rows, cols, row_factor, row);
    const double mean = simd::sum(rows, row) / static_cast<double>(rows);
    simd::inverse_roots(rows, grad_scale, static_cast<float>(1 / mean), row, row_factor);
  } else {
    row_factor[0] = grad_scale;
  }

  const std::int64_t pieces = (rows + kRows - 1) / kRows;
  auto* const partial = cpu::scratch_array<double>(ctx, pieces);
  parallel_for(ctx.threads, 0, rows, kRows, [&](std::int64_t first, std::int64_t last) {
    partial[first / kRows] = simd::adafactor_sum_of_squares(last - first, cols, from(grad, first),
                                                            row_factor + first, col_factor);
  });
  double squares = 0;
  for (std::int64_t i = 0; i < pieces; ++i) squares += partial[i];
  const double rms = std::sqrt(squares / static_cast<double>(param.grad.size()));
  const auto rate =
      static_cast<float>(options.lr / std::max(1.0, rms / double{options.clip_threshold}));
  parallel_for(ctx.threads, 0, rows, kRows, [&](std::int64_t first, std::int64_t last) {
    simd::adafactor_step(last - first, cols, rate, from(grad, first), row_factor + first,
                         col_factor, from(value, first));
    cpu::renew_rows(*param.weight, first);
  });
}

}  // namespace

struct AdafactorPlan {
  std::vector<AdafactorParam> params;
};

std::shared_ptr<const AdafactorPlan> plan_adafactor(Context&,
                                                    const std::vector<AdafactorParam>& params) {
  return std::make_shared<AdafactorPlan>(AdafactorPlan{params});
}

void adafactor(Context& ctx, const Adafactor& options, const AdafactorPlan& plan,
               ConstView decision) {
  for (const AdafactorParam& param : plan.params) {
    if (cpu::is_skipped(decision))
      fill(ctx, 0, param.grad);
    else
      update(ctx, options, cpu::grad_scale(decision), param);
  }
}

}  // namespace switchyard
