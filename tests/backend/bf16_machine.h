// SPDX-License-Identifier: Apache-2.0
// A context that computes in bfloat16, with matrices of small integers, which bfloat16 represents
// exactly.
#pragma once

#include <limits>
#include <memory>
#include <vector>

#include "tests/backend/machine.h"

namespace switchyard {

// Matrices of integers without gaps between rows, as bfloat16 matmuls need them.
class Bf16Machine {
 public:
  explicit Bf16Machine(int threads, bool row_invariant = false)
      : ctx(make_context({threads, row_invariant, DType::bf16})) {}

  // Integers from -2 to 2.
  Reals whole(std::int64_t rows, std::int64_t cols) {
    Reals m(rows, cols);
    for (double& x : m.values) x = static_cast<double>(rng_.below(5)) - 2;
    return m;
  }
  View place(const Reals& values, DType dtype) {
    const View f32 = ctx->scratch.make(values.rows, values.cols);
    const std::vector<float> host(values.values.begin(), values.values.end());
    upload(*ctx, host.data(), f32.size(), f32);
    poison_past_last_row(f32);
    if (dtype == DType::f32) return f32;
    const View bf16 = ctx->scratch.make(values.rows, values.cols, DType::bf16);
    copy(*ctx, f32, bf16);
    poison_past_last_row(bf16);
    return bf16;
  }
  std::vector<double> values(ConstView v) {
    const View f32 = ctx->scratch.make(v.rows, v.cols);
    copy(*ctx, v, f32);
    std::vector<float> host(static_cast<std::size_t>(v.size()));
    download(*ctx, f32, host.data(), v.size());
    return {host.begin(), host.end()};
  }

  std::unique_ptr<Context> ctx;

 private:
  // No result may depend on these rows.
  void poison_past_last_row(View v) {
    fill(*ctx, std::numeric_limits<float>::quiet_NaN(),
         v.slice_rows(v.rows, v.row_capacity - v.rows));
  }

  Rng rng_{11};
};

inline std::vector<double> rounded(const Reals& m, DType dtype) {
  std::vector<double> values = m.values;
  if (dtype == DType::bf16)
    for (double& x : values) x = bf16_to_f32(f32_to_bf16(static_cast<float>(x)));
  return values;
}

}  // namespace switchyard
