// SPDX-License-Identifier: Apache-2.0
// Declarations shared by the files of the bfloat16 form.
#pragma once

#include "src/backend/cpu/onednn.h"
#include "src/backend/cpu/weight.h"

namespace switchyard::cpu {

// Rows of a head packed as one block: see bf16_head.cpp.
constexpr std::int64_t kHeadBlock = 512;

class Bf16Form : public WeightForm {
 public:
  bool is_in(const Weight& w) const override;
  void pack(Context& ctx, Weight& weight) const override;
  bool replaces_value() const override { return true; }
  std::string layout(const Context& ctx) const override;
  std::int64_t packed_bytes(std::int64_t out, std::int64_t in) const override;
  Tensor* storage(PackedWeight& packed) const override { return &packed.bf16_transposed; }
  DType type() const override { return DType::bf16; }

  void forward(Context& ctx, const ConstView& x, const Weight& w, View y) const override;
  void input_gradient(Context& ctx, const ConstView& dy, const Weight& w, Write write,
                      View dx) const override;
  void weight_gradient(Context& ctx, const ConstView& dy, const ConstView& x,
                       View dw) const override;

  void rows(Context& ctx, const Weight& w, ConstView ids, View y) const override;

  RowPlan plan_forward(Context& ctx, const Weight& w) const override;
  RowPlan plan_backward(Context& ctx, const Weight& w, Write write,
                        std::int64_t tokens) const override;
  bool forward_rows(Context& ctx, const ConstView& x, const Weight& w, View y,
                    float* scratch) const override;
  bool input_gradient_rows(Context& ctx, const ConstView& dy, const Weight& w, Write write,
                           View dx) const override;
  bool weight_gradient_rows(Context& ctx, const ConstView& dy, const ConstView& x, View dw,
                            float* scratch) const override;

  simd::LogitBlocks logit_blocks(const ConstView& logits) const override;
  void logits(Context& ctx, const ConstView& h, const Weight& head, View logits) const override;
  void logits_backward(Context& ctx, const ConstView& h, const Weight& head, View grad_logits,
                       View dh, View dw) const override;
};

// Returns true if the context's matmuls, by simd/bf16_gemm, take any number of rows, so that token
// matrices need no rounding to kBf16Rounding.
bool takes_any_rows(const Context& ctx);

// Error(kRuntime) in a row-invariant context: its experts' rows need not have room for rounding.
void check_gradients(const Context& ctx);

// The packed w [out, in]. Error(kRuntime) if the weight was prepared for translation only.
const Bf16* plain(const Weight& w);

// c [rows, n] (=|+=) a [rows, k] . b, in tiles of rows; in a row-invariant context all tiles have
// the same size. Compiles a shape on first use, which must not happen in a parallel loop.
const Bf16Matmul& rows_matmul(Context& ctx, std::int64_t n, std::int64_t k, DType out, Write write);

}  // namespace switchyard::cpu
