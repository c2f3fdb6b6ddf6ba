// SPDX-License-Identifier: Apache-2.0
// The forms a weight is stored in, and the matmuls with each. form_of() decides which form is read;
// callers need not know which.
//
// - value (weight_f32.cpp): plain float32, for training in float32 and for float32 gradients.
// - panels (weight_panels.cpp): float32 repacked, for row-invariant contexts.
// - int8 (weight_int8.cpp): quantized and repacked, for contexts with int8 weights.
// - bfloat16 (weight_bf16.cpp, bf16_head.cpp): rounded and repacked, for bfloat16 contexts.
//
// A new form derives from WeightForm, stores its data in PackedWeight, and overrides the functions
// in which it differs from the value. A form used only for translation needs is_in(), pack(), the
// forward functions and, to replace the value, rows(). For prepared files it also needs layout(),
// packed_bytes(), storage() and note_layout().
#pragma once

#include <cstdint>
#include <string>

#include "simd/cross_entropy.h"
#include "simd/int8_gemm.h"
#include "src/backend/backend.h"

namespace switchyard {

// Each form is empty until the weight is prepared in a context that reads it.
struct PackedWeight {
  Tensor panels;
  std::int64_t panel_outputs = 0;  // the layout of the panels: outputs per panel
  Tensor bf16_transposed, bf16;
  Tensor int8;
  simd::Int8Layout int8_layout;
  bool adopted = false;  // the bytes are somebody else's, and must not be written
};

namespace cpu {

// The output head is computed for at most this many tokens at a time.
constexpr std::int64_t kHeadTokens = 512;

enum class Write { overwrite, add };

// The limits for a caller that splits the rows itself.
struct RowPlan {
  std::int64_t rows = 0;            // maximum per call
  std::int64_t scratch_floats = 0;  // per thread
  // Outputs of a weight gradient per call when the sum is over many tokens; 0 if weight_gradient()
  // is faster, since its threads share the packed operands.
  std::int64_t gradient_outputs = 0;
};

// Shapes: x, dx [T, in]; y, dy [T, out]; w, dw [out, in]. Matrices have the form's type() unless a
// comment says otherwise; dw is float32.
class WeightForm {
 public:
  virtual ~WeightForm() = default;

  // Returns true if the weight has this form.
  virtual bool is_in(const Weight& w) const { return static_cast<bool>(w.value); }
  // Packs or repacks the value. Error(kRuntime) if the weight has none.
  virtual void pack(Context&, Weight&) const {}
  // Returns true if the forward functions and rows() do without the value once it is packed.
  virtual bool replaces_value() const { return false; }
  // For forms that files may hold: packed_layout() and packed_bytes() of a weight [out, in], the
  // tensor with the form's bytes, its type, and a note that they are in the current layout.
  virtual std::string layout(const Context&) const { return {}; }
  virtual std::int64_t packed_bytes(std::int64_t, std::int64_t) const { return 0; }
  virtual Tensor* storage(PackedWeight&) const { return nullptr; }
  virtual DType storage_type() const { return type(); }
  virtual void note_layout(PackedWeight&) const {}
  // The type of the matrices that the weight is multiplied by.
  virtual DType type() const { return DType::f32; }

  // On all threads of the context. Error(kRuntime) if the form was packed in a different layout, or
  // if the value is needed but absent.
  // y = x . w^T. y has the form's type or float32.
  virtual void forward(Context& ctx, const ConstView& x, const Weight& w, View y) const;
  // dx (=|+=) dy . w. dx has the form's type or float32; if added to, float32.
  virtual void input_gradient(Context& ctx, const ConstView& dy, const Weight& w, Write write,
                              View dx) const;
  // dw += dy^T . x
  virtual void weight_gradient(Context& ctx, const ConstView& dy, const ConstView& x,
                               View dw) const;
  // y [T, in] f32 = rows ids[t] of the weight; ids [T, 1] i32.
  virtual void rows(Context& ctx, const Weight& w, ConstView ids, View y) const;

  // The plans are made before a parallel loop under OneThreadEach: they throw as forward() does and
  // compile what the calls need. The *_rows() functions run on the calling thread of that loop and
  // return false if oneDNN failed. forward_rows() and input_gradient_rows() take at most
  // RowPlan::rows rows, weight_gradient_rows() at most the `tokens` of plan_backward(). All
  // matrices but dw have the form's type. `scratch` is the thread's own.
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

  // The output head for at most kHeadTokens tokens, on all threads. The matrices [T, vocab] of
  // logits and of their gradients have the same row stride and are laid out as logit_blocks()
  // describes. Logits and dh are float32; the gradients of logits have the type of h. An empty dh
  // or dw is not computed.
  virtual simd::LogitBlocks logit_blocks(const ConstView& logits) const;
  virtual void logits(Context& ctx, const ConstView& h, const Weight& head, View logits) const;
  // May overwrite grad_logits.
  virtual void logits_backward(Context& ctx, const ConstView& h, const Weight& head,
                               View grad_logits, View dh, View dw) const;
};

const WeightForm& value_form();
const WeightForm& panels_form();
const WeightForm& bf16_form();
const WeightForm& int8_form();

// The form that the context's matmuls with this weight read.
const WeightForm& form_of(const Context& ctx, const Weight& w);

// The weight's value. Error(kRuntime) if it has none.
View value_of(const Weight& w);

// For optimizers: renew_rows() repacks rows [first, first + kPackedRows) of a value (or up to its
// last row) in the packed forms that training reads. It does nothing if is_renewed() is false.
constexpr std::int64_t kPackedRows = 64;
bool is_renewed(const Weight& w);
void renew_rows(const Weight& w, std::int64_t first);

}  // namespace cpu
}  // namespace switchyard
