// SPDX-License-Identifier: Apache-2.0
// A weight as its float32 value, multiplied by dnnl_sgemm.
#include "src/backend/cpu/onednn.h"
#include "src/backend/cpu/views.h"
#include "src/backend/cpu/weight.h"

namespace switchyard::cpu {

const WeightForm& value_form() {
  static const WeightForm form;
  return form;
}

void WeightForm::forward(Context& ctx, const ConstView& x, const Weight& w, View y) const {
  const View value = value_of(w);
  use_threads(ctx);
  check_matmul(gemm_nt(x, value, 0, y));
}

void WeightForm::input_gradient(Context& ctx, const ConstView& dy, const Weight& w, Write write,
                                View dx) const {
  const View value = value_of(w);
  use_threads(ctx);
  check_matmul(gemm_nn(dy, value, write == Write::add ? 1 : 0, dx));
}

void WeightForm::weight_gradient(Context& ctx, const ConstView& dy, const ConstView& x,
                                 View dw) const {
  use_threads(ctx);
  check_matmul(gemm_tn(dy, x, 1, dw));
}

void WeightForm::rows(Context& ctx, const Weight& w, ConstView ids, View y) const {
  gather_rows(ctx, value_of(w), ids, y);
}

// Few enough rows that they and their results stay in a core's cache.
RowPlan WeightForm::plan_forward(Context&, const Weight& w) const {
  value_of(w);
  return {128, 0, 128};
}

RowPlan WeightForm::plan_backward(Context& ctx, const Weight& w, Write, std::int64_t) const {
  return WeightForm::plan_forward(ctx, w);
}

bool WeightForm::forward_rows(Context&, const ConstView& x, const Weight& w, View y, float*) const {
  return gemm_nt(x, w.value, 0, y);
}

bool WeightForm::input_gradient_rows(Context&, const ConstView& dy, const Weight& w, Write write,
                                     View dx) const {
  return gemm_nn(dy, w.value, write == Write::add ? 1 : 0, dx);
}

bool WeightForm::weight_gradient_rows(Context&, const ConstView& dy, const ConstView& x, View dw,
                                      float*) const {
  return gemm_tn(dy, x, 1, dw);
}

simd::LogitBlocks WeightForm::logit_blocks(const ConstView& logits) const {
  return {logits.rows, logits.cols, logits.cols, logits.row_stride - logits.cols};
}

void WeightForm::logits(Context& ctx, const ConstView& h, const Weight& head, View logits) const {
  linear(ctx, h, head, logits);
}

void WeightForm::logits_backward(Context& ctx, const ConstView& h, const Weight& head,
                                 View grad_logits, View dh, View dw) const {
  if (dh) linear_backward_input(ctx, grad_logits, head, dh);
  if (dw) linear_backward_weight(ctx, h, head, grad_logits, dw);
}

}  // namespace switchyard::cpu
