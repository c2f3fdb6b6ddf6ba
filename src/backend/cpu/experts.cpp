// SPDX-License-Identifier: Apache-2.0
// All experts of a layer as one grouped call: the work is cut into tasks over experts and blocks of
// their rows, so that neither many small experts nor one that gets every token leaves a thread
// without work, and an expert without tokens costs nothing.
// Source of the idea: MegaBlocks, arXiv 2211.15841, without its block-sparse products.
#include <atomic>
#include <utility>

#include "simd/activation.h"
#include "simd/rows.h"
#include "src/backend/cpu/bf16_gemm.h"
#include "src/backend/cpu/matmul.h"
#include "src/backend/cpu/views.h"

namespace switchyard {

using cpu::any;
using cpu::f32;
using cpu::from;
using cpu::i32;

namespace {

// Rows [first, first + count) of the sorted matrices, all of expert first_expert + `expert`.
struct Task {
  std::int64_t expert, first, count;
};
struct Tasks {
  Task* data = nullptr;
  std::int64_t count = 0;
};

std::int64_t first_slot(const Routing& routing, const ExpertCall& call, std::int64_t expert) {
  return i32(routing.expert_offsets).data[call.first_expert + expert];
}

// `block` rows in each, but for the last of an expert.
Tasks row_tasks(Context& ctx, const ExpertCall& call, const Routing& routing, std::int64_t block) {
  const std::int64_t slots = first_slot(routing, call, call.count) - first_slot(routing, call, 0);
  Tasks tasks;
  tasks.data = cpu::scratch_array<Task>(ctx, call.count + slots / block);
  for (std::int64_t e = 0; e < call.count; ++e) {
    const std::int64_t end = first_slot(routing, call, e + 1);
    for (std::int64_t s = first_slot(routing, call, e); s < end; s += block)
      tasks.data[tasks.count++] = {e, s, std::min(block, end - s)};
  }
  // The largest first: what runs last, while other threads have nothing left, is short.
  std::sort(tasks.data, tasks.data + tasks.count, [](const Task& a, const Task& b) {
    return std::pair(-a.count, a.first) < std::pair(-b.count, b.first);
  });
  return tasks;
}

simd::Dropout dropout_of_slots(const ExpertCall& call, const Routing& routing, std::int64_t first) {
  return {call.drop.rate, call.drop.stream, i32(call.tags),
          from(i32(routing.token_of_slot), first)};
}

// Products of some rows of one expert, by the calling thread of a parallel loop. Those in bfloat16
// are made before the loop begins.
class Products {
 public:
  Products(Context& ctx, const ExpertCall& call, std::int64_t slots)
      : ctx_(ctx), scratch_(ctx, scratch_floats(ctx, call, slots)) {
    if (ctx.compute_type != DType::bf16) return;
    const View& wi = call.weights[0].wi->value;  // [d_ff, d_model]
    for (const bool add : {false, true}) {
      if (add && !call.weights[0].wi_1) continue;  // only the two of a gated one add up
      rows_product(wi.rows, wi.cols, add);
      rows_product(wi.cols, wi.rows, add);
    }
    tokens_product(wi.rows, wi.cols);
    tokens_product(wi.cols, wi.rows);
    row_block = std::min(rows_product(wi.rows, wi.cols, false).max_size(),
                         rows_product(wi.cols, wi.rows, false).max_size());
  }

  // y = x . w^T
  void forward(const ConstView& x, const Weight& w, const View& y) {
    if (ctx_.compute_type == DType::bf16)
      run_rows(x, w.packed->bf16_transposed, y, false);
    else if (ctx_.row_invariant)
      cpu::row_invariant_linear(x, w, y, scratch_.mine());
    else
      note(cpu::gemm_nt(x, w.value, 0, y));
  }
  // dx (=|+=) dy . w
  void backward(const ConstView& dy, const Weight& w, const View& dx, bool add) {
    if (ctx_.compute_type == DType::bf16)
      run_rows(dy, w.packed->bf16, dx, add);
    else
      note(cpu::gemm_nn(dy, w.value, add ? 1 : 0, dx));
  }
  // dw += dy^T . x; with whole_machine not from a loop, but by all threads.
  void weight_gradient(const ConstView& dy, const ConstView& x, const View& dw,
                       bool whole_machine = false) {
    if (ctx_.compute_type != DType::bf16) return note(cpu::gemm_tn(dy, x, 1, dw));
    note(tokens_product(dw.rows, dw.cols)
             .run(whole_machine ? 0 : omp_get_thread_num(), whole_machine ? ctx_.threads : 1,
                  x.rows, dy, x, dw, reinterpret_cast<Bf16*>(scratch_.mine())));
  }
  void check() const { cpu::check_gemm(ok_); }

  // f32 products are cut to stay in a core's cache, the others go by their tiles.
  std::int64_t row_block = 128;

 private:
  // Of each thread: weights that are not packed, or the operands of a weight's gradient.
  static std::int64_t scratch_floats(Context& ctx, const ExpertCall& call, std::int64_t slots) {
    std::int64_t floats = 0;
    const View& wi = call.weights[0].wi->value;
    if (ctx.compute_type == DType::bf16) {
      // As much as a thread alone needs is, of all, more than they need together.
      const auto elements = [&](std::int64_t n, std::int64_t k) {
        return cpu::TokenProducts(ctx, n, k).scratch_elements(slots, 1);
      };
      floats = std::max(elements(wi.rows, wi.cols), elements(wi.cols, wi.rows)) / 2 + 1;
    }
    for (std::int64_t e = 0; ctx.row_invariant && e < call.count; ++e)
      floats = std::max({floats, cpu::packing_floats(*call.weights[e].wi),
                         cpu::packing_floats(*call.weights[e].wo)});
    return floats;
  }
  const cpu::Bf16Product& rows_product(std::int64_t n, std::int64_t k, bool add) {
    return ctx_.device->bf16_products.get(ctx_, {cpu::Bf16Product::kRows, n, k, DType::bf16, add});
  }
  cpu::TokenProducts tokens_product(std::int64_t n, std::int64_t k) { return {ctx_, n, k}; }
  void run_rows(const ConstView& x, const Tensor& b, const View& y, bool add) {
    note(rows_product(y.cols, x.cols, add)
             .run(omp_get_thread_num(), x.rows, cpu::bf16(x), cpu::bf16(b.view()), y.data));
  }
  void note(bool ok) {
    if (!ok) ok_ = false;
  }

  Context& ctx_;
  cpu::ThreadScratch scratch_;
  std::atomic<bool> ok_ = true;
};

// A weight's gradient: dw += dy^T . x over the expert's rows.
struct WeightTask {
  ConstView dy, x;
  View dw;
  std::int64_t cost() const { return dw.size() * x.rows; }
};

}  // namespace

std::int64_t slot_rounding(const Context& ctx) {
  return ctx.compute_type == DType::bf16 ? cpu::kBf16Rounding : 1;
}

void experts(Context& ctx, const ExpertCall& call, const Routing& routing, ConstView x,
             FfnSaved& saved, View y) {
  ArenaScope scope(ctx.scratch);
  if (ctx.row_invariant) {
    for (std::int64_t e = 0; e < call.count; ++e)
      for (const Weight* w : {call.weights[e].wi, call.weights[e].wi_1, call.weights[e].wo})
        if (w) cpu::check_layout(*w);
  }
  Products products(ctx, call, x.rows);
  const std::int64_t block = products.row_block;
  const Tasks tasks = row_tasks(ctx, call, routing, block);
  const View blocks = ctx.scratch.make(ctx.threads * block, saved.hidden.cols, x.dtype);
  {
    const cpu::OneThreadEach one_thread_each;
    parallel_tasks(ctx.threads, tasks.count, [&](std::int64_t i) {
      const Task& task = tasks.data[i];
      const FfnWeights& w = call.weights[task.expert];
      const auto rows = [&](const auto& v) { return v ? v.slice_rows(task.first, task.count) : v; };
      const View hidden = rows(saved.hidden), gate = rows(saved.gate);
      const View activated = blocks.slice_rows(omp_get_thread_num() * block, task.count);
      products.forward(rows(x), *w.wi, hidden);
      if (gate) products.forward(rows(x), *w.wi_1, gate);
      simd::activation(call.act, task.count, hidden.cols, any(hidden), any(gate),
                       dropout_of_slots(call, routing, task.first), any(activated));
      products.forward(activated, *w.wo, rows(y));
    });
  }
  products.check();
}

void experts_backward(Context& ctx, const ExpertCall& call, const Routing& routing,
                      const ExpertsBackwardInput& in, View dx, const FfnGrads* grads) {
  const ConstView x = in.x, dy = in.dy;
  ArenaScope scope(ctx.scratch);
  Products products(ctx, call, x.rows);
  const Tasks tasks = row_tasks(ctx, call, routing, products.row_block);
  const View grad_hidden = ctx.scratch.make(x.rows, in.hidden.cols, x.dtype);
  const View grad_gate = in.gate ? ctx.scratch.make(x.rows, in.gate.cols, x.dtype) : View{};
  const View activated = ctx.scratch.make(x.rows, in.hidden.cols, x.dtype);
  const bool in_bf16 = ctx.compute_type == DType::bf16;

  // By weight. One that sums over many tokens is cut into blocks of its outputs or, where products
  // are bfloat16 and x is packed once for all of them, shared by all threads at the end. This
  // follows from the routing alone, so that the bits do not depend on the threads.
  constexpr std::int64_t kManyRows = 1024, kOutBlock = 128;
  const std::int64_t d_ff = in.hidden.cols, d_model = x.cols;
  const std::int64_t most_cuts = (std::max(d_ff, d_model) + kOutBlock - 1) / kOutBlock;
  const std::int64_t slots = first_slot(routing, call, call.count) - first_slot(routing, call, 0);
  const std::int64_t most_tasks =
      3 * (call.count + std::min(call.count, slots / kManyRows) * most_cuts);
  auto* weight_tasks = cpu::scratch_array<WeightTask>(ctx, most_tasks);
  auto* whole_tasks = cpu::scratch_array<WeightTask>(ctx, most_tasks);
  std::int64_t count = 0, whole_count = 0;
  for (std::int64_t e = 0; e < call.count; ++e) {
    const std::int64_t first = first_slot(routing, call, e);
    const std::int64_t rows = first_slot(routing, call, e + 1) - first;
    if (rows == 0) continue;
    const auto add = [&](const ConstView& grad_out, const ConstView& inputs, const View& dw) {
      const ConstView dy_rows = grad_out.slice_rows(first, rows);
      const ConstView x_rows = inputs.slice_rows(first, rows);
      if (in_bf16 && rows >= kManyRows) {
        whole_tasks[whole_count++] = {dy_rows, x_rows, dw};
        return;
      }
      const std::int64_t cut = rows >= kManyRows ? kOutBlock : dw.rows;
      for (std::int64_t out = 0; out < dw.rows; out += cut) {
        const std::int64_t outs = std::min(cut, dw.rows - out);
        weight_tasks[count++] = {dy_rows.slice_cols(out, outs), x_rows, dw.slice_rows(out, outs)};
      }
    };
    add(grad_hidden, x, grads[e].wi);
    if (grad_gate) add(grad_gate, x, grads[e].wi_1);
    add(dy, activated, grads[e].wo);
  }
  std::sort(weight_tasks, weight_tasks + count,
            [](const WeightTask& a, const WeightTask& b) { return a.cost() > b.cost(); });

  {
    const cpu::OneThreadEach one_thread_each;
    // By rows: dy -> grad_hidden, grad_gate -> dx; and what wo's gradient wants, made again.
    parallel_tasks(ctx.threads, tasks.count, [&](std::int64_t i) {
      const Task& task = tasks.data[i];
      const FfnWeights& w = call.weights[task.expert];
      const auto rows = [&](const auto& v) { return v ? v.slice_rows(task.first, task.count) : v; };
      const ConstView hidden = rows(in.hidden), gate = rows(in.gate);
      const View dh = rows(grad_hidden), dg = rows(grad_gate);
      simd::activation(call.act, task.count, hidden.cols, any(hidden), any(gate),
                       dropout_of_slots(call, routing, task.first), any(rows(activated)));
      products.backward(rows(dy), *w.wo, dh, false);
      simd::activation_backward(call.act, task.count, hidden.cols, any(hidden), any(gate),
                                dropout_of_slots(call, routing, task.first), any(dh), any(dh),
                                any(dg));
      products.backward(dh, *w.wi, rows(dx), false);
      if (dg) products.backward(dg, *w.wi_1, rows(dx), true);
    });
    parallel_tasks(ctx.threads, count, [&](std::int64_t i) {
      const WeightTask& task = weight_tasks[i];
      products.weight_gradient(task.dy, task.x, task.dw);
    });
    for (std::int64_t i = 0; i < whole_count; ++i)
      products.weight_gradient(whole_tasks[i].dy, whole_tasks[i].x, whole_tasks[i].dw, true);
  }
  products.check();
}

}  // namespace switchyard
