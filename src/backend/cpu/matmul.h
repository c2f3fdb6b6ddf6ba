// SPDX-License-Identifier: Apache-2.0
// Matrix products for the other files of this folder.
//
// Three ways:
// - training in f32: dnnl_sgemm on the exact shapes. Nothing is made per shape, nothing past the
//   last token is read.
// - training in bfloat16: the primitives of bf16_gemm.h.
// - ctx.row_invariant (translation): the kernels of simd/packed_gemm.h, where an element is one
//   chain of multiply-adds along K whatever the number of rows and threads. On AVX2 and SSE4.1
//   oneDNN's own products have no such property.
#pragma once

#include <cstdint>
#include <string>

#include "src/backend/backend.h"

namespace switchyard {

// The forms that contexts have asked for; the others are empty.
struct PackedWeight {
  Tensor panels;                   // of simd/packed_gemm.h
  std::int64_t panel_outputs = 0;  // their layout: packed_gemm_panel() when they were packed
  // Of simd/pack_bf16.h: w^T [in, out] for y = x . w^T, and w [out, in] for dx = dy . w, a head's
  // in blocks of kHeadBlock of its rows.
  Tensor bf16_transposed, bf16;
};

namespace cpu {

// "oneDNN 2.6.3 (AVX2)"
std::string onednn_description();

// While it lives, oneDNN uses one thread for each caller: for products inside a parallel loop.
class OneThreadEach {
 public:
  OneThreadEach();
  ~OneThreadEach();
  OneThreadEach(const OneThreadEach&) = delete;
  OneThreadEach& operator=(const OneThreadEach&) = delete;

 private:
  int before_;
};

// Of f32 views; beta 0: overwritten, 1: added to. They return false where oneDNN had no memory: a
// parallel loop cannot throw. y [T, out] = x [T, in] . w [out, in]^T
[[nodiscard]] bool gemm_nt(const ConstView& x, const ConstView& w, float beta, const View& y);
// dx [T, in] = dy [T, out] . w [out, in]
[[nodiscard]] bool gemm_nn(const ConstView& dy, const ConstView& w, float beta, const View& dx);
// dw [out, in] = dy [T, out]^T . x [T, in]
[[nodiscard]] bool gemm_tn(const ConstView& dy, const ConstView& x, float beta, const View& dw);
void check_gemm(bool ok);

// Words of the vocabulary in a block of the head: see bf16_head.h.
constexpr std::int64_t kHeadBlock = 512;
bool computes_in_bf16(const Context& ctx, const Weight& w);
// Whether a weight is packed for products in bfloat16.
bool has_bf16_form(const Weight& w);
// Rounds and packs the rows [64 * panel, 64 * (panel + 1)) of its value, into both matrices.
void pack_bf16_rows(const Weight& w, std::int64_t panel);

// Error(kRuntime) if the weight was packed for kernels of another instruction set than those that
// run now. The matmuls below trust the layout: they run inside parallel loops, which cannot throw.
void check_layout(const Weight& w);
// y = x . w^T by one thread, the row-invariant way. `scratch` of packing_floats(w) is used where
// the weight is not packed.
void row_invariant_linear(const ConstView& x, const Weight& w, const View& y, float* scratch);
std::int64_t packing_floats(const Weight& w);

}  // namespace cpu
}  // namespace switchyard
