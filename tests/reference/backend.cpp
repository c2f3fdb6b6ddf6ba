// SPDX-License-Identifier: Apache-2.0
// The reference backend implements src/backend/backend.h with the scalar templates of this
// directory: f32 in memory, double within an operation, always on one thread. This file has
// machine, copies, search and optimizer; the backend_*.cpp files have the rest by subject.
#include "src/backend/backend.h"

#include <cmath>
#include <cstdlib>
#include <cstring>

#include "src/core/error.h"
#include "tests/reference/ops.h"
#include "tests/reference/views.h"

namespace switchyard {

using reference::IntMatrix;
using reference::Matrix;
using Reals = Matrix<double>;
using reference::load;
using reference::load_ints;
using reference::store;

namespace {

class HeapMemory : public Memory {
 public:
  void* allocate(std::size_t bytes) override {
    void* data = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
    check(data != nullptr, ErrorKind::kRuntime, "out of memory: ", bytes, " bytes");
    return std::memset(data, 0, bytes);
  }
  void release(void* data, std::size_t) noexcept override { std::free(data); }
};

bool is_skipped(ConstView decision) { return decision && load(decision)[kUpdated] == 0; }
double grad_scale(ConstView decision) { return decision ? load(decision)[kGradScale] : 1; }

}  // namespace

std::unique_ptr<Context> make_context(const ContextOptions& options) {
  auto ctx = std::make_unique<Context>(std::make_shared<HeapMemory>(), options.compute_type);
  ctx->threads = options.threads;
  ctx->row_invariant = options.row_invariant;
  return ctx;
}

std::string backend_description() { return "scalar reference"; }
bool computes_natively(DType) { return true; }
Defaults backend_defaults(int) { return {}; }
std::int64_t available_memory(const Context&) { return std::int64_t{1} << 40; }
void finish(Context&) {}

void upload(Context& ctx, const float* host, std::int64_t count, View to) {
  ++ctx.counts.uploads;
  store(Reals(to.rows, to.cols, std::vector<double>(host, host + count)), to);
}
void upload(Context& ctx, const std::int32_t* host, std::int64_t count, View to) {
  ++ctx.counts.uploads;
  store(IntMatrix(to.rows, to.cols, std::vector<std::int32_t>(host, host + count)), to);
}
void download(Context& ctx, ConstView from, float* host, std::int64_t count) {
  ++ctx.counts.downloads;
  const Reals values = load(from);
  for (std::int64_t i = 0; i < count; ++i) host[i] = static_cast<float>(values[i]);
}
void download(Context& ctx, ConstView from, std::int32_t* host, std::int64_t count) {
  ++ctx.counts.downloads;
  const IntMatrix values = load_ints(from);
  for (std::int64_t i = 0; i < count; ++i) host[i] = values[i];
}

void fill(Context& ctx, float value, View y) {
  ++ctx.counts.fills;
  store(Reals(y.rows, y.cols, value), y);
}
void copy(Context&, ConstView x, View y) {
  if (x.dtype == DType::i32)
    store(load_ints(x), y);
  else
    store(load(x), y);
}
void add(Context&, ConstView x, View y) { reference::add_to(load(x), y); }
void scale(Context&, float factor, ConstView x, View y) {
  Reals values = load(x);
  for (double& value : values.values) value *= factor;
  store(values, y);
}

void argmax_rows(Context&, ConstView logits, std::int32_t suppressed, View token, View log_prob) {
  const Reals l = load(logits);
  IntMatrix best(l.rows, 1);
  Reals value(l.rows, 1);
  for (std::int64_t r = 0; r < l.rows; ++r) {
    best[r] = -1;
    for (std::int64_t c = 0; c < l.cols; ++c)
      if (c != suppressed && !std::isnan(l(r, c)) && (best[r] < 0 || l(r, c) > l(r, best[r])))
        best[r] = static_cast<std::int32_t>(c);
    if (best[r] >= 0 && std::isfinite(l(r, best[r])))
      value[r] = l(r, best[r]) - reference::log_sum_exp(l, r);
    else
      best[r] = -1;
  }
  store(best, token);
  store(value, log_prob);
}

void top_k_rows(Context&, ConstView logits, ConstView score, const TopK& options, View values,
                View index) {
  const std::int64_t beams = options.beams, k = options.k;
  const Reals l = load(logits), s = load(score);
  Reals best_values(l.rows / beams, k);
  IntMatrix best_index(l.rows / beams, k);
  for (std::int64_t g = 0; g < l.rows / beams; ++g) {
    const auto best = reference::top_k(l, s, g * beams, beams, k, options.suppressed);
    for (std::int64_t i = 0; i < k; ++i) {
      best_values(g, i) = best[static_cast<std::size_t>(i)].value;
      best_index(g, i) = static_cast<std::int32_t>(best[static_cast<std::size_t>(i)].index);
    }
  }
  store(best_values, values);
  store(best_index, index);
}

void sum_of_squares(Context&, ConstView x, View out) {
  store(Reals(1, 1, reference::sum_of_squares(load(x))), out);
}

void decide_update(Context&, const UpdateRule& rule, ConstView squares, ConstView losses,
                   View decision) {
  store(reference::decide_update(rule, load(squares), load(losses)), decision);
}

struct AdamWPlan {
  std::vector<AdamWParam> params;
};
std::shared_ptr<const AdamWPlan> plan_adamw(Context&, const std::vector<AdamWParam>& params) {
  return std::make_shared<AdamWPlan>(AdamWPlan{params});
}

void adamw(Context&, const AdamW& options, const AdamWPlan& plan, ConstView decision) {
  for (const auto& [value, grad, m, v, packed] : plan.params) {
    const Reals g = load(grad);
    store(Reals(grad.rows, grad.cols), grad);
    if (is_skipped(decision)) continue;
    Reals first = load(m), second = load(v), p = load(value);
    for (std::size_t j = 0; j < g.values.size(); ++j)
      reference::adamw(options, grad_scale(decision) * g.values[j], first.values[j],
                       second.values[j], p.values[j]);
    store(first, m);
    store(second, v);
    store(p, value);
  }
}

struct AdafactorPlan {
  std::vector<AdafactorParam> params;
};
std::shared_ptr<const AdafactorPlan> plan_adafactor(Context&,
                                                    const std::vector<AdafactorParam>& params) {
  return std::make_shared<AdafactorPlan>(AdafactorPlan{params});
}

void adafactor(Context&, const Adafactor& options, const AdafactorPlan& plan, ConstView decision) {
  for (const auto& [weight, grad, row, col] : plan.params) {
    Reals g = load(grad);
    store(Reals(grad.rows, grad.cols), grad);
    if (is_skipped(decision)) continue;
    for (double& x : g.values) x *= grad_scale(decision);
    Reals rows = load(row), cols = load(col), p = load(weight->value);
    reference::adafactor(options, g, rows, cols, p);
    store(rows, row);
    store(cols, col);
    store(p, weight->value);
  }
}

void update_average(Context&, float t, ConstView x, ConstView decision, View average) {
  if (is_skipped(decision)) return;
  const Reals from = load(x);
  Reals to = load(average);
  for (std::size_t i = 0; i < to.values.size(); ++i)
    to.values[i] += t * (from.values[i] - to.values[i]);
  store(to, average);
}

}  // namespace switchyard
