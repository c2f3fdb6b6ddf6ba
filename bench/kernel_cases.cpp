// SPDX-License-Identifier: Apache-2.0
// Kernels that work on rows, elementwise or by index.
#include "bench/kernel_cases.h"

#include "simd/activation.h"
#include "simd/convert.h"
#include "simd/dropout.h"
#include "simd/reduce.h"
#include "simd/rms_norm.h"
#include "simd/rows.h"
#include "simd/update.h"
#include "src/core/rng.h"

namespace switchyard::bench {

using namespace simd;

namespace {

// Dropout tags for sentences of 16 tokens.
Dropout some_dropout(Context& ctx, std::int64_t rows) {
  const auto tag = [](std::int64_t row, std::int64_t col) {
    return col == 0 ? row / 16 : row % 16;
  };
  return {0.1f, 1, make_indices(ctx, rows, 2, tag), {}};
}

// A permutation that moves neighbors far apart (1009 is prime), like sorting tokens by expert.
IndexIn permutation(Context& ctx, std::int64_t rows) {
  return make_indices(ctx, rows, 1, [=](auto row, auto) { return row * 1009 % rows; });
}

// Kernels on matrices of either type; residual sums and parameter gradients stay f32.
void add_typed_cases(Context& ctx, const KernelSizes& s, DType type,
                     std::vector<KernelCase>& cases) {
  const std::int64_t n = s.rows, d = s.d_model;
  const Matrix x(ctx, n, d, type), y(ctx, n, d, type), gate(ctx, n, d, type), sum(ctx, n, d),
      residual(ctx, n, d), weight(ctx, 1, d), scalar(ctx, n, 1);
  const double m = x.bytes(), m32 = sum.bytes();
  const Dropout off, drop = some_dropout(ctx, n);
  const IndexIn index = permutation(ctx, n);
  const auto add = [&](std::string name, Traffic bytes, std::function<void()> run) {
    cases.push_back({name + (type == DType::bf16 ? ", bf16" : ""), bytes, 0, std::move(run)});
  };

  for (const auto& [name, act] : {std::pair{"relu", Activation::relu},
                                  {"gelu", Activation::gelu},
                                  {"gelu_new", Activation::gelu_new},
                                  {"silu", Activation::silu}}) {
    const std::string of = std::string(" ") + name;
    add("activation" + of, {m, m}, [=, act = act] { activation(act, n, d, x, {}, off, y); });
    add("activation_backward" + of, {m, 0, m},
        [=, act = act] { activation_backward(act, n, d, x, {}, off, y, y, {}); });
  }
  add("activation relu, dropout", {m, m},
      [=] { activation(Activation::relu, n, d, x, {}, drop, y); });
  add("activation gelu_new, gated", {2 * m, m},
      [=] { activation(Activation::gelu_new, n, d, x, gate, off, y); });
  add("dropout", {m, m}, [=] { dropout(n, d, drop, x, y); });
  add("add_dropout", {m + m32, m32}, [=] { add_dropout(n, d, drop, x, residual, sum); });
  add("jitter", {m, m32}, [=] { jitter(n, d, 0.01f, 1, drop.tags, x, sum); });
  add("rms_norm", {m32, m}, [=] { rms_norm(n, d, residual, weight.data(), 1e-6f, y, scalar); });
  add("gather_rows", {m, m}, [=] { gather_rows(n, d, x, index, y); });
  add("gather_rows_add", {m, 0, m32}, [=] { gather_rows_add(n, d, x, index, sum); });
  add("combine_rows", {m, m}, [=] { combine_rows(n, d, x, index, scalar, y); });
  add("combine_rows_grad_out", {m, m}, [=] { combine_rows_grad_out(n, d, x, index, scalar, y); });
  add("combine_rows_grad_weight", {2 * m},
      [=] { combine_rows_grad_weight(n, d, x, y, index, scalar); });
}

}  // namespace

Matrix::Matrix(Context& ctx, std::int64_t rows, std::int64_t cols, DType dtype)
    : view_(ctx.saved.make(rows, cols, dtype)) {
  Rng rng(1);
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < cols; ++c) {
      const auto value = static_cast<float>(2 * rng.uniform() - 1);
      with_rows(AnyOut(*this), [&](auto y) {
        if constexpr (std::is_same_v<decltype(y), Rows<Bf16>>)
          y[r][c].bits = f32_to_bf16(value);
        else
          y[r][c] = value;
      });
    }
  }
}

IndexOut make_indices(Context& ctx, std::int64_t rows, std::int64_t cols,
                      const std::function<std::int64_t(std::int64_t, std::int64_t)>& f) {
  const View view = ctx.saved.make(rows, cols, DType::i32);
  const IndexOut index{static_cast<std::int32_t*>(view.data), view.row_stride};
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < cols; ++c) index[r][c] = static_cast<std::int32_t>(f(r, c));
  return index;
}

void add_row_cases(Context& ctx, const KernelSizes& s, std::vector<KernelCase>& cases) {
  const std::int64_t n = s.rows, d = s.d_model;
  const Matrix x(ctx, n, d), y(ctx, n, d), z(ctx, n, d), squares(ctx, n, d),
      half(ctx, n, d, DType::bf16), row(ctx, 1, d), scalar(ctx, n, 1);
  const double m = x.bytes();
  const IndexIn index = permutation(ctx, n);
  fill(n, d, 0.5f, squares);  // a second moment is never negative
  const AdamW options{1e-4f, 0.9f, 0.98f, 1e-9f, 0, 10, 1};
  // Flat kernels treat the gaps between rows as elements, all of them zero.
  const std::int64_t flat = n * d;
  float* const result = scalar.data();
  const auto case_of = [&](std::string name, Traffic bytes, std::function<void()> run) {
    cases.push_back({std::move(name), bytes, 0, std::move(run)});
  };

  case_of("rms_norm_backward", {2 * m, 0, m},
          [=] { rms_norm_backward(n, d, x, row.data(), scalar, y, z, row.data()); });
  case_of("fill", {0, m}, [=] { fill(n, d, 0.5f, y); });
  case_of("copy", {m, m}, [=] { copy(n, d, x, y); });
  case_of("add", {m, 0, m}, [=] { add(n, d, x, y); });
  case_of("scale", {m, m}, [=] { scale(n, d, 0.5f, x, y); });
  case_of("lerp", {m, 0, m}, [=] { lerp(n, d, 0.01f, x, y); });
  case_of("add_bias", {0, 0, m}, [=] { add_bias(n, d, row.data(), y); });
  case_of("scatter_rows", {m, m}, [=] { scatter_rows(n, d, x, index, y); });
  case_of("scatter_rows_add", {m, 0, m}, [=] { scatter_rows_add(n, d, x, index, y); });
  case_of("convert f32 to bf16", {m, m / 2}, [=] { convert(n, d, x, half); });
  case_of("convert bf16 to f32", {m / 2, m}, [=] { convert(n, d, half, y); });
  case_of("sum_of_squares", {m},
          [=] { *result = static_cast<float>(sum_of_squares(flat, x.data())); });
  case_of("sum", {m}, [=] { *result = static_cast<float>(sum(flat, x.data())); });
  case_of("add_column_sums", {m}, [=] { add_column_sums(n, d, x, row.data()); });
  case_of("adamw", {m, 0, 3 * m},
          [=] { adamw(flat, options, x.data(), y.data(), squares.data(), z.data()); });
}

std::vector<KernelCase> kernel_cases(Context& ctx, const KernelSizes& sizes) {
  std::vector<KernelCase> cases;
  add_typed_cases(ctx, sizes, DType::f32, cases);
  add_typed_cases(ctx, sizes, DType::bf16, cases);
  add_row_cases(ctx, sizes, cases);
  add_product_cases(ctx, sizes, cases);
  return cases;
}

}  // namespace switchyard::bench
