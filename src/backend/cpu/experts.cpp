// SPDX-License-Identifier: Apache-2.0
// All experts of a layer as one grouped call: the work is cut into tasks over experts and blocks of
// their rows, so that neither many small experts nor one that gets every token leaves a thread
// without work, and an expert without tokens costs nothing.
// Source of the idea: MegaBlocks, arXiv 2211.15841, without its block-sparse products.
#include <atomic>
#include <utility>

#include "simd/activation.h"
#include "simd/rows.h"
#include "src/backend/cpu/matmul.h"
#include "src/backend/cpu/views.h"

namespace switchyard {

using cpu::f32;
using cpu::from;
using cpu::i32;

namespace {

constexpr std::int64_t kRowBlock = 128;

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

Tasks row_tasks(Context& ctx, const ExpertCall& call, const Routing& routing) {
  const std::int64_t slots = first_slot(routing, call, call.count) - first_slot(routing, call, 0);
  Tasks tasks;
  tasks.data = cpu::scratch_array<Task>(ctx, call.count + slots / kRowBlock);
  for (std::int64_t e = 0; e < call.count; ++e) {
    const std::int64_t end = first_slot(routing, call, e + 1);
    for (std::int64_t s = first_slot(routing, call, e); s < end; s += kRowBlock)
      tasks.data[tasks.count++] = {e, s, std::min(kRowBlock, end - s)};
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

// A weight's gradient: dw += dy^T . x over the expert's rows.
struct WeightTask {
  View dy, x, dw;
  std::int64_t cost() const { return dw.size() * x.rows; }
};

}  // namespace

void experts(Context& ctx, const ExpertCall& call, const Routing& routing, View x, FfnSaved& saved,
             View y) {
  ArenaScope scope(ctx.scratch);
  const Tasks tasks = row_tasks(ctx, call, routing);
  std::int64_t packing = 0;
  if (ctx.row_invariant) {
    for (std::int64_t e = 0; e < call.count; ++e)
      packing = std::max({packing, cpu::packing_floats(*call.weights[e].wi),
                          cpu::packing_floats(*call.weights[e].wo)});
  }
  const cpu::ThreadScratch scratch(ctx, packing);
  const cpu::OneThreadEach one_thread_each;
  std::atomic<bool> ok = true;
  parallel_tasks(ctx.threads, tasks.count, [&](std::int64_t i) {
    const Task& task = tasks.data[i];
    const FfnWeights& w = call.weights[task.expert];
    const auto rows = [&](const View& v) { return v ? v.slice_rows(task.first, task.count) : v; };
    const auto product = [&](const View& a, const Weight& weight, const View& out) {
      if (ctx.row_invariant) {
        cpu::row_invariant_linear(a, weight, out, scratch.mine());
      } else if (!cpu::gemm_nt(a, weight.value, 0, out)) {
        ok = false;
      }
    };
    const View hidden = rows(saved.hidden), gate = rows(saved.gate);
    const View activated = rows(saved.activated);
    product(rows(x), *w.wi, hidden);
    if (gate) product(rows(x), *w.wi_1, gate);
    simd::activation(cpu::kernel_of(call.act), task.count, hidden.cols, f32(hidden), f32(gate),
                     dropout_of_slots(call, routing, task.first), f32(activated));
    product(activated, *w.wo, rows(y));
  });
  cpu::check_gemm(ok);

  // The rows past the last slot in use stay finite.
  const std::int64_t used = i32(routing.expert_offsets).data[routing.expert_offsets.cols - 1];
  simd::fill(y.rows - used, y.cols, 0, from(f32(y), used));
}

void experts_backward(Context& ctx, const ExpertCall& call, const Routing& routing, View x,
                      const FfnSaved& saved, View dy, View dx, const FfnGrads* grads) {
  ArenaScope scope(ctx.scratch);
  const Tasks tasks = row_tasks(ctx, call, routing);
  const View grad_hidden = ctx.scratch.make(x.rows, saved.hidden.cols);
  const View grad_gate = saved.gate ? ctx.scratch.make(x.rows, saved.gate.cols) : View{};
  const cpu::OneThreadEach one_thread_each;
  std::atomic<bool> ok = true;

  // By rows: dy -> grad_hidden, grad_gate -> dx.
  parallel_tasks(ctx.threads, tasks.count, [&](std::int64_t i) {
    const Task& task = tasks.data[i];
    const FfnWeights& w = call.weights[task.expert];
    const auto rows = [&](const View& v) { return v ? v.slice_rows(task.first, task.count) : v; };
    const View hidden = rows(saved.hidden), gate = rows(saved.gate);
    const View dh = rows(grad_hidden), dg = rows(grad_gate);
    bool done = cpu::gemm_nn(rows(dy), w.wo->value, 0, dh);
    simd::activation_backward(cpu::kernel_of(call.act), task.count, hidden.cols, f32(hidden),
                              f32(gate), dropout_of_slots(call, routing, task.first), f32(dh),
                              f32(dh), f32(dg));
    done = cpu::gemm_nn(dh, w.wi->value, 0, rows(dx)) && done;
    if (dg) done = cpu::gemm_nn(dg, w.wi_1->value, 1, rows(dx)) && done;
    if (!done) ok = false;
  });

  // By weight. One that sums over many tokens is cut into blocks of its outputs; the cuts follow
  // from the routing alone, so that the bits do not depend on the threads.
  constexpr std::int64_t kManyRows = 1024, kOutBlock = 128;
  const std::int64_t d_ff = saved.hidden.cols, d_model = x.cols;
  const std::int64_t most_cuts = (std::max(d_ff, d_model) + kOutBlock - 1) / kOutBlock;
  const std::int64_t slots = first_slot(routing, call, call.count) - first_slot(routing, call, 0);
  auto* weight_tasks = cpu::scratch_array<WeightTask>(
      ctx, 3 * (call.count + std::min(call.count, slots / kManyRows) * most_cuts));
  std::int64_t count = 0;
  for (std::int64_t e = 0; e < call.count; ++e) {
    const std::int64_t first = first_slot(routing, call, e);
    const std::int64_t rows = first_slot(routing, call, e + 1) - first;
    if (rows == 0) continue;
    const auto add = [&](const View& grad_out, const View& in, const View& dw) {
      const std::int64_t cut = rows >= kManyRows ? kOutBlock : dw.rows;
      for (std::int64_t out = 0; out < dw.rows; out += cut) {
        const std::int64_t outs = std::min(cut, dw.rows - out);
        weight_tasks[count++] = {grad_out.slice_rows(first, rows).slice_cols(out, outs),
                                 in.slice_rows(first, rows), dw.slice_rows(out, outs)};
      }
    };
    add(grad_hidden, x, grads[e].wi);
    if (grad_gate) add(grad_gate, x, grads[e].wi_1);
    add(dy, saved.activated, grads[e].wo);
  }
  std::sort(weight_tasks, weight_tasks + count,
            [](const WeightTask& a, const WeightTask& b) { return a.cost() > b.cost(); });
  parallel_tasks(ctx.threads, count, [&](std::int64_t i) {
    const WeightTask& task = weight_tasks[i];
    if (!cpu::gemm_tn(task.dy, task.x, 1, task.dw)) ok = false;
  });
  cpu::check_gemm(ok);
}

}  // namespace switchyard
