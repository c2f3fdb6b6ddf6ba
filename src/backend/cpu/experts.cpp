// SPDX-License-Identifier: Apache-2.0
// All experts of a layer in one grouped call. The work is split into tasks over experts and blocks
// of their rows, so that all threads are busy whether there are many small experts or one that gets
// every token, and an expert without tokens costs nothing.
// The idea is from MegaBlocks (arXiv 2211.15841), without its block-sparse matmuls.
#include <omp.h>

#include <atomic>
#include <utility>

#include "simd/activation.h"
#include "simd/rows.h"
#include "src/backend/cpu/onednn.h"
#include "src/backend/cpu/views.h"
#include "src/backend/cpu/weight.h"

namespace switchyard {

struct ExpertTable {
  std::vector<FfnWeights> experts;  // never empty; all in the same forms
};

using cpu::any;
using cpu::f32;
using cpu::from;
using cpu::i32;
using cpu::RowPlan;
using cpu::WeightForm;
using cpu::Write;

namespace {

// Rows [first, first + count) of the sorted matrices, all of expert `expert` of the call.
struct RowTask {
  std::int64_t expert, first, count;
};

// dw += dy^T . x over an expert's rows.
struct GradientTask {
  ConstView dy, x;
  View dw;
  std::int64_t cost() const { return dw.size() * x.rows; }
};

// A list of tasks in scratch.
template <class T>
struct Tasks {
  Tasks(Context& ctx, std::int64_t capacity) : data(cpu::scratch_array<T>(ctx, capacity)) {}
  void push(const T& task) { data[count++] = task; }
  // Largest first, so that the last tasks, when other threads are idle, are short.
  template <class Less>
  void sort(Less less) {
    std::sort(data, data + count, less);
  }

  T* data;
  std::int64_t count = 0;
};

// One call: the experts' weights and their rows.
struct Layer {
  Layer(Context& ctx, const ExpertCall& call_, const Routing& routing_)
      : call(call_),
        routing(routing_),
        weights(call.experts->experts),
        form(cpu::form_of(ctx, weights[0].wi)) {
    assert(std::all_of(weights.begin(), weights.end(), [&](const FfnWeights& w) {
      return &cpu::form_of(ctx, w.wi) == &form && &cpu::form_of(ctx, w.wo) == &form;
    }));
  }

  std::int64_t count() const { return static_cast<std::int64_t>(weights.size()); }
  const FfnWeights& operator[](std::int64_t expert) const {
    return weights[static_cast<std::size_t>(expert)];
  }
  // first_slot(count()) is the end of the last expert.
  std::int64_t first_slot(std::int64_t expert) const {
    return i32(routing.expert_offsets).data[call.first_expert + expert];
  }
  std::int64_t slots() const { return first_slot(count()) - first_slot(0); }
  simd::Dropout dropout(std::int64_t first) const {
    return {call.drop.rate, call.drop.stream, i32(call.tags),
            from(i32(routing.token_of_slot), first)};
  }

  const ExpertCall& call;
  const Routing& routing;
  const std::vector<FfnWeights>& weights;
  const WeightForm& form;
};

RowPlan both(const RowPlan& a, const RowPlan& b) {
  return {std::min(a.rows, b.rows), std::max(a.scratch_floats, b.scratch_floats),
          std::min(a.gradient_outputs, b.gradient_outputs)};
}

RowPlan plan_forward(Context& ctx, const Layer& layer) {
  const FfnWeights& w = layer[0];
  return both(layer.form.plan_forward(ctx, w.wi), layer.form.plan_forward(ctx, w.wo));
}

// `rows` counts all rows of the sorted matrices, so that scratch does not depend on the routing.
RowPlan plan_backward(Context& ctx, const Layer& layer, std::int64_t rows) {
  const FfnWeights& w = layer[0];
  const auto plan = [&](const Weight& weight, Write write) {
    return layer.form.plan_backward(ctx, weight, write, rows);
  };
  const RowPlan dense = both(plan(w.wi, Write::overwrite), plan(w.wo, Write::overwrite));
  return w.wi_1 ? both(dense, plan(*w.wi_1, Write::add)) : dense;
}

Tasks<RowTask> row_tasks(Context& ctx, const Layer& layer, std::int64_t block) {
  Tasks<RowTask> tasks(ctx, layer.count() + layer.slots() / block);
  for (std::int64_t e = 0; e < layer.count(); ++e) {
    const std::int64_t end = layer.first_slot(e + 1);
    for (std::int64_t s = layer.first_slot(e); s < end; s += block)
      tasks.push({e, s, std::min(block, end - s)});
  }
  tasks.sort([](const RowTask& a, const RowTask& b) {
    return std::pair(-a.count, a.first) < std::pair(-b.count, b.first);
  });
  return tasks;
}

// The gradients of the weights, which backward computes after the gradients of all rows.
struct GradientPlan {
  Tasks<GradientTask> alone;     // by one thread each
  Tasks<GradientTask> together;  // by all threads
};

// Splits a sum over many tokens by outputs, or leaves it to all threads. The split depends only on
// the routing, so results do not depend on the number of threads.
class GradientPlanner {
 public:
  GradientPlanner(Context& ctx, const Layer& layer, std::int64_t gradient_outputs)
      : layer_(layer),
        cut_(gradient_outputs),
        plan_{{ctx, capacity(layer, cut_)}, {ctx, 3 * layer.count()}} {}

  // Adds the sum dw += dy^T . x over one expert's rows; dy and x hold the rows of all experts.
  void add(std::int64_t expert, const ConstView& dy, const ConstView& x, View dw) {
    const std::int64_t first = layer_.first_slot(expert);
    const std::int64_t rows = layer_.first_slot(expert + 1) - first;
    if (rows == 0) return;
    const ConstView dy_rows = dy.slice_rows(first, rows), x_rows = x.slice_rows(first, rows);
    if (rows < kManyRows) return plan_.alone.push({dy_rows, x_rows, dw});
    if (cut_ == 0) return plan_.together.push({dy_rows, x_rows, dw});
    for (std::int64_t out = 0; out < dw.rows; out += cut_) {
      const std::int64_t outs = std::min(cut_, dw.rows - out);
      plan_.alone.push({dy_rows.slice_cols(out, outs), x_rows, dw.slice_rows(out, outs)});
    }
  }
  GradientPlan finish() {
    plan_.alone.sort(
        [](const GradientTask& a, const GradientTask& b) { return a.cost() > b.cost(); });
    return plan_;
  }

 private:
  static constexpr std::int64_t kManyRows = 1024;

  static std::int64_t capacity(const Layer& layer, std::int64_t cut) {
    const View& wi = layer[0].wi.value;
    const std::int64_t cuts = cut == 0 ? 0 : (std::max(wi.rows, wi.cols) + cut - 1) / cut;
    return 3 * (layer.count() + std::min(layer.count(), layer.slots() / kManyRows) * cuts);
  }

  const Layer& layer_;
  std::int64_t cut_;
  GradientPlan plan_;
};

// The matmuls of a parallel loop's tasks, each on the calling thread.
class RowMatmuls {
 public:
  RowMatmuls(Context& ctx, const WeightForm& form, const RowPlan& plan)
      : ctx_(ctx), form_(form), scratch_(ctx, plan.scratch_floats) {}

  void forward(const ConstView& x, const Weight& w, View y) {
    note(form_.forward_rows(ctx_, x, w, y, scratch_.mine()));
  }
  void input_gradient(const ConstView& dy, const Weight& w, Write write, View dx) {
    note(form_.input_gradient_rows(ctx_, dy, w, write, dx));
  }
  void weight_gradient(const GradientTask& task) {
    note(form_.weight_gradient_rows(ctx_, task.dy, task.x, task.dw, scratch_.mine()));
  }
  void check() const { cpu::check_matmul(ok_); }

 private:
  void note(bool ok) {
    if (!ok) ok_ = false;
  }

  Context& ctx_;
  const WeightForm& form_;
  cpu::ThreadScratch scratch_;
  std::atomic<bool> ok_ = true;
};

}  // namespace

std::shared_ptr<const ExpertTable> make_expert_table(Context&, std::vector<FfnWeights> experts) {
  return std::make_shared<const ExpertTable>(ExpertTable{std::move(experts)});
}

void experts(Context& ctx, const ExpertCall& call, const Routing& routing, ConstView x,
             FfnSaved& saved, View y) {
  const ArenaScope scope(ctx.scratch);
  const Layer layer(ctx, call, routing);
  assert(x.dtype == layer.form.type());
  const RowPlan plan = plan_forward(ctx, layer);
  const Tasks<RowTask> tasks = row_tasks(ctx, layer, plan.rows);
  const View blocks = ctx.scratch.make(ctx.threads * plan.rows, saved.hidden.cols, x.dtype);
  RowMatmuls matmuls(ctx, layer.form, plan);
  {
    const cpu::OneThreadEach one_thread_each;
    parallel_tasks(ctx.threads, tasks.count, [&](std::int64_t i) {
      const RowTask& task = tasks.data[i];
      const FfnWeights& w = layer[task.expert];
      const auto rows = [&](const auto& v) { return v ? v.slice_rows(task.first, task.count) : v; };
      const View hidden = rows(saved.hidden), gate = rows(saved.gate);
      const View activated = blocks.slice_rows(omp_get_thread_num() * plan.rows, task.count);
      matmuls.forward(rows(x), w.wi, hidden);
      if (gate) matmuls.forward(rows(x), *w.wi_1, gate);
      simd::activation(call.act, task.count, hidden.cols, any(hidden), any(gate),
                       layer.dropout(task.first), any(activated));
      matmuls.forward(activated, w.wo, rows(y));
    });
  }
  matmuls.check();
}

void experts_backward(Context& ctx, const ExpertCall& call, const Routing& routing,
                      const ExpertsBackwardInput& in, View dx, const ExpertGrads& grads) {
  const ConstView x = in.x, dy = in.dy;
  const ArenaScope scope(ctx.scratch);
  const Layer layer(ctx, call, routing);
  assert(x.dtype == layer.form.type());
  const RowPlan plan = plan_backward(ctx, layer, x.rows);
  const Tasks<RowTask> tasks = row_tasks(ctx, layer, plan.rows);
  const View grad_hidden = ctx.scratch.make(x.rows, in.hidden.cols, x.dtype);
  const View grad_gate = in.gate ? ctx.scratch.make(x.rows, in.gate.cols, x.dtype) : View{};
  const View activated = ctx.scratch.make(x.rows, in.hidden.cols, x.dtype);
  GradientPlanner planner(ctx, layer, plan.gradient_outputs);
  for (std::int64_t e = 0; e < layer.count(); ++e) {
    const FfnGrads dw = grads.of(e);
    planner.add(e, grad_hidden, x, dw.wi);
    if (grad_gate) planner.add(e, grad_gate, x, dw.wi_1);
    planner.add(e, dy, activated, dw.wo);
  }
  const GradientPlan gradients = planner.finish();

  {
    const ArenaScope row_scope(ctx.scratch);  // freed for `together`, which needs no more
    RowMatmuls matmuls(ctx, layer.form, plan);
    const cpu::OneThreadEach one_thread_each;
    // By rows: dy -> grad_hidden, grad_gate -> dx. The input of wo is recomputed.
    parallel_tasks(ctx.threads, tasks.count, [&](std::int64_t i) {
      const RowTask& task = tasks.data[i];
      const FfnWeights& w = layer[task.expert];
      const auto rows = [&](const auto& v) { return v ? v.slice_rows(task.first, task.count) : v; };
      const ConstView hidden = rows(in.hidden), gate = rows(in.gate);
      const View dh = rows(grad_hidden), dg = rows(grad_gate);
      simd::activation(call.act, task.count, hidden.cols, any(hidden), any(gate),
                       layer.dropout(task.first), any(rows(activated)));
      matmuls.input_gradient(rows(dy), w.wo, Write::overwrite, dh);
      simd::activation_backward(call.act, task.count, hidden.cols, any(hidden), any(gate),
                                layer.dropout(task.first), any(dh), any(dh), any(dg));
      matmuls.input_gradient(dh, w.wi, Write::overwrite, rows(dx));
      if (dg) matmuls.input_gradient(dg, *w.wi_1, Write::add, rows(dx));
    });
    parallel_tasks(ctx.threads, gradients.alone.count,
                   [&](std::int64_t i) { matmuls.weight_gradient(gradients.alone.data[i]); });
    matmuls.check();
  }
  for (std::int64_t i = 0; i < gradients.together.count; ++i) {
    const GradientTask& task = gradients.together.data[i];
    layer.form.weight_gradient(ctx, task.dy, task.x, task.dw);
  }
}

}  // namespace switchyard
