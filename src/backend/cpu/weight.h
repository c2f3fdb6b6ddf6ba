// SPDX-License-Identifier: Apache-2.0
// The forms a weight is stored in, and the matmuls with each. Which form a matmul reads is decided
// by form_of() and known to nobody else:
//
// - value (weight_f32.cpp): float32 as it is. Training in float32, and float32 gradients.
// - panels (weight_panels.cpp): float32, repacked. Row-invariant contexts.
// - bfloat16 (weight_bf16.cpp, bf16_head.cpp): rounded and repacked. Contexts that compute in it.
//
// A new form derives from WeightForm, keeps what it packs in PackedWeight, and overrides what it
// does differently from the value: packing and forward() suffice for one that is only translated
// with.
#pragma once

#include <cstdint>

#include "simd/cross_entropy.h"
#include "src/backend/backend.h"

namespace switchyard {

// Each is empty until a context that reads it prepares the weight.
struct PackedWeight {
  Tensor panels;
  std::int64_t panel_outputs = 0;  // the layout of the panels: how many outputs each holds
  Tensor bf16_transposed, bf16;
};

namespace cpu {

// Largest number of tokens that the output head is computed for at a time.
constexpr std::int64_t kHeadTokens = 512;

enum class Write { overwrite, add };

// What a caller that cuts the rows itself must know.
struct RowPlan {
  std::int64_t rows = 0;            // at most, in one call
  std::int64_t scratch_floats = 0;  // for each thread
  // The outputs that one call computes of a weight's gradient over many tokens; 0 if
  // weight_gradient() is faster, since its threads share what it packs.
  std::int64_t gradient_outputs = 0;
};

// Shapes: x, dx [T, in], y, dy [T, out], w, dw [out, in]. Matrices have the form's type() unless a
// comment says otherwise; dw is float32.
class WeightForm {
 public:
  virtual ~WeightForm() = default;

  virtual bool is_in(const Weight& w) const { return static_cast<bool>(w.value); }
  // Makes or renews the form. Error(kRuntime) if the weight has no value.
  virtual void pack(Context&, Weight&) const {}
  // The type of matrices that it multiplies.
  virtual DType type() const { return DType::f32; }

  // By all threads of the context. Error(kRuntime) if the form was packed in another layout, or if
  // the value is needed and absent.
  // y = x . w^T. y may be float32 whatever the type.
  virtual void forward(Context& ctx, const ConstView& x, const Weight& w, View y) const;
  // dx (=|+=) dy . w. dx may be float32 whatever the type, and is if it is added to.
  virtual void input_gradient(Context& ctx, const ConstView& dy, const Weight& w, Write write,
                              View dx) const;
  // dw += dy^T . x
  virtual void weight_gradient(Context& ctx, const ConstView& dy, const ConstView& x,
                               View dw) const;

  // By the calling thread of a parallel loop under OneThreadEach, on some of the rows that were
  // planned for, all matrices of the form's type. A plan throws as forward() does, and compiles
  // what it needs; the calls return false if oneDNN failed. Rows of different calls may be computed
  // at the same time. `scratch` is the thread's own.
  virtual RowPlan plan_forward(Context& ctx, const Weight& w) const;
  virtual RowPlan plan_backward(Context& ctx, const Weight& w, Write write,
                                std::int64_t tokens) const;
  [[nodiscard]] virtual bool forward_rows(Context& ctx, const ConstView& x, const Weight& w, View y,
                                          float* scratch) const;
  [[nodiscard]] virtual bool input_gradient_rows(Context& ctx, const ConstView& dy, const Weight& w,
                                                 Write write, View dx) const;
  [[nodiscard]] virtual bool weight_gradient_rows(Context& ctx, const ConstView& dy,
                                                  const ConstView& x, View dw,
                                                  float* scratch) const;

  // The output head, for at most kHeadTokens tokens, by all threads. Logits and their gradients lie
  // in blocks of the form's own in matrices [T, vocab] of the same row stride, whose capacity is
  // rounded up; logits are float32, gradients of the type of h, dh float32. An empty dh or dw is
  // not computed.
  virtual simd::LogitBlocks logit_blocks(const ConstView& logits) const;
  virtual void logits(Context& ctx, const ConstView& h, const Weight& head, View logits) const;
  // grad_logits is used up.
  virtual void logits_backward(Context& ctx, const ConstView& h, const Weight& head,
                               View grad_logits, View dh, View dw) const;
};

const WeightForm& value_form();
const WeightForm& panels_form();
const WeightForm& bf16_form();

// The form that the context's matmuls with this weight read.
const WeightForm& form_of(const Context& ctx, const Weight& w);

// The weight's value. Error(kRuntime) if it has none.
View value_of(const Weight& w);

// An optimizer that has changed the rows [first, first + kPackedRows) of a value, or up to its
// last, renews the forms of the weight that training reads. Without any, renew_rows() does nothing.
constexpr std::int64_t kPackedRows = 64;
bool is_renewed(const Weight& w);
void renew_rows(const Weight& w, std::int64_t first);

}  // namespace cpu
}  // namespace switchyard
