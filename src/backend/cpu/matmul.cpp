// SPDX-License-Identifier: Apache-2.0
// Matmuls with weights, and biases.
#include "simd/reduce.h"
#include "simd/rows.h"
#include "src/backend/cpu/views.h"
#include "src/backend/cpu/weight.h"

namespace switchyard {

using cpu::f32;
using cpu::from;

namespace {

// x in this type: x itself, or a copy in scratch. A float32 matmul receives bf16 matrices if the
// weight is a router's or has not been prepared.
ConstView in_type(Context& ctx, DType type, const ConstView& x) {
  if (x.dtype == type) return x;
  const View y = ctx.scratch.make(x.rows, x.cols, type);
  copy(ctx, x, y);
  return y;
}

// Calls f with a matrix for the result: y, or one in scratch that is copied to y afterwards. A
// form's matmuls write its own type or float32.
template <class F>
void with_result(Context& ctx, DType type, const View& y, F&& f) {
  if (type == y.dtype || y.dtype == DType::f32) return f(y);
  const View result = ctx.scratch.make(y.rows, y.cols, type);
  f(result);
  copy(ctx, result, y);
}

void backward_input(Context& ctx, const ConstView& dy, const Weight& w, const View& dx,
                    cpu::Write write) {
  const ArenaScope scope(ctx.scratch);
  const cpu::WeightForm& form = cpu::form_of(ctx, w);
  with_result(ctx, form.type(), dx, [&](const View& result) {
    form.input_gradient(ctx, in_type(ctx, form.type(), dy), w, write, result);
  });
}

}  // namespace

void linear(Context& ctx, ConstView x, const Weight& w, View y) {
  const ArenaScope scope(ctx.scratch);
  const cpu::WeightForm& form = cpu::form_of(ctx, w);
  with_result(ctx, form.type(), y, [&](const View& result) {
    form.forward(ctx, in_type(ctx, form.type(), x), w, result);
  });
}

void linear_backward_input(Context& ctx, ConstView dy, const Weight& w, View dx) {
  backward_input(ctx, dy, w, dx, cpu::Write::overwrite);
}

void linear_backward_input_add(Context& ctx, ConstView dy, const Weight& w, View dx) {
  backward_input(ctx, dy, w, dx, cpu::Write::add);
}

void linear_backward_weight(Context& ctx, ConstView x, const Weight& w, ConstView dy, View dw) {
  const ArenaScope scope(ctx.scratch);
  const cpu::WeightForm& form = cpu::form_of(ctx, w);
  form.weight_gradient(ctx, in_type(ctx, form.type(), dy), in_type(ctx, form.type(), x), dw);
}

void add_bias(Context& ctx, ConstView bias, View y) {
  cpu::for_rows(ctx, y.rows, y.cols, [&](std::int64_t first, std::int64_t count) {
    simd::add_bias(count, y.cols, f32(bias).data, from(f32(y), first));
  });
}

void bias_backward(Context& ctx, ConstView dy, View grad_bias) {
  cpu::sum_row_blocks(ctx, dy.rows, dy.cols, f32(grad_bias).data,
                      [&](std::int64_t first, std::int64_t count, float* partial) {
                        simd::add_column_sums(count, dy.cols, from(f32(dy), first), partial);
                      });
}

}  // namespace switchyard
