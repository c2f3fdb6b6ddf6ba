// SPDX-License-Identifier: Apache-2.0
// Every kernel of simd/ as a call with sizes from training, and the minimum number of bytes or
// FLOPs it needs.
#pragma once

#include <cassert>
#include <functional>
#include <string>
#include <vector>

#include "bench/roofline.h"
#include "simd/rows_view.h"
#include "src/core/context.h"

namespace switchyard::bench {

struct KernelSizes {
  std::int64_t rows = 4096;    // tokens per batch; a block of logits has an eighth as many rows
  std::int64_t d_model = 512;  // and d_ff
  std::int64_t vocab = 8000;
  std::int64_t num_experts = 16;
  std::int64_t length = 32;  // of a sentence
};

struct KernelCase {
  std::string name;
  Traffic bytes;
  double flops = 0;  // > 0: measured against multiply-adds, else against memory
  std::function<void()> run;
};

// The cases' matrices are in ctx.saved, which must outlive the cases.
std::vector<KernelCase> kernel_cases(Context& ctx, const KernelSizes& sizes);
void add_row_cases(Context& ctx, const KernelSizes& sizes, std::vector<KernelCase>& cases);
void add_product_cases(Context& ctx, const KernelSizes& sizes, std::vector<KernelCase>& cases);

// A matrix laid out as in training, with values in [-1, 1); converts to what kernels take.
class Matrix {
 public:
  Matrix(Context& ctx, std::int64_t rows, std::int64_t cols, DType dtype = DType::f32);

  float* data() const {
    assert(view_.dtype == DType::f32);
    return static_cast<float*>(view_.data);
  }
  operator simd::Out() const { return {data(), view_.row_stride}; }
  operator simd::In() const { return {data(), view_.row_stride}; }
  operator simd::AnyOut() const { return {view_.data, view_.row_stride, view_.dtype}; }
  operator simd::AnyIn() const { return simd::AnyOut(*this); }
  double bytes() const {
    return static_cast<double>(view_.size()) * static_cast<double>(size_bytes(view_.dtype));
  }

 private:
  View view_;
};

// Makes a [rows, cols] matrix of indices f(row, column).
simd::IndexOut make_indices(Context& ctx, std::int64_t rows, std::int64_t cols,
                            const std::function<std::int64_t(std::int64_t, std::int64_t)>& f);

}  // namespace switchyard::bench
