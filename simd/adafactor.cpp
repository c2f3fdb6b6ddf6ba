// SPDX-License-Identifier: Apache-2.0
#include "simd/adafactor.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/adafactor.cpp"
#include "hwy/foreach_target.h"  // first: includes this file again for each target
#include "simd/common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd {
namespace HWY_NAMESPACE {

void adafactor_squares(std::int64_t rows, std::int64_t cols, float scale, float eps, In grad,
                       float* row_sums, float* col_sums) {
  const V scale_v = hn::Set(f32, scale), eps_v = hn::Set(f32, eps);
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* g = grad[r];
    row_sums[r] = sum_over(cols, [&](V sum, std::size_t i, auto chunk) HWY_ATTR {
      const V scaled = hn::Mul(chunk.load(g + i), scale_v);
      const V square = hn::MulAdd(scaled, scaled, eps_v);
      chunk.store(hn::Add(chunk.load(col_sums + i), square), col_sums + i);
      return hn::Add(sum, chunk.or_zero(square));
    });
  }
}

void moving_average(std::int64_t n, float keep, float take, const float* sums, float* state) {
  const V keep_v = hn::Set(f32, keep), take_v = hn::Set(f32, take);
  each_vector(n, [&](std::size_t i, auto chunk) HWY_ATTR {
    const V kept = hn::Mul(keep_v, chunk.load(state + i));
    chunk.store(hn::MulAdd(take_v, chunk.load(sums + i), kept), state + i);
  });
}

void inverse_roots(std::int64_t n, float numerator, float factor, const float* x, float* y) {
  const V numerator_v = hn::Set(f32, numerator), factor_v = hn::Set(f32, factor);
  each_vector(n, [&](std::size_t i, auto chunk) HWY_ATTR {
    const V root = hn::Sqrt(hn::Mul(factor_v, chunk.load(x + i)));
    chunk.store(hn::Div(numerator_v, root), y + i);
  });
}

double adafactor_sum_of_squares(std::int64_t rows, std::int64_t cols, In grad,
                                const float* row_factor, const float* col_factor) {
  double sum = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* g = grad[r];
    const V factor = hn::Set(f32, row_factor[r]);
    sum += double{sum_over(cols, [&](V row, std::size_t i, auto chunk) HWY_ATTR {
      const V u = hn::Mul(hn::Mul(chunk.load(g + i), factor), chunk.load(col_factor + i));
      return hn::MulAdd(u, u, row);
    })};
  }
  return sum;
}

void adafactor_step(std::int64_t rows, std::int64_t cols, float rate, Out grad,
                    const float* row_factor, const float* col_factor, Out param) {
  const V rate_v = hn::Set(f32, rate);
  for (std::int64_t r = 0; r < rows; ++r) {
    float* g = grad[r];
    float* p = param[r];
    const V factor = hn::Set(f32, row_factor[r]);
    each_vector(cols, [&](std::size_t i, auto chunk) HWY_ATTR {
      const V u = hn::Mul(hn::Mul(chunk.load(g + i), factor), chunk.load(col_factor + i));
      chunk.store(hn::NegMulAdd(rate_v, u, chunk.load(p + i)), p + i);
      chunk.store(hn::Zero(f32), g + i);
    });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace switchyard::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace switchyard::simd {

HWY_EXPORT(adafactor_squares);
decltype(adafactor_squares) adafactor_squares = dispatch<HWY_DISPATCH_TABLE(adafactor_squares)>;
HWY_EXPORT(moving_average);
decltype(moving_average) moving_average = dispatch<HWY_DISPATCH_TABLE(moving_average)>;
HWY_EXPORT(inverse_roots);
decltype(inverse_roots) inverse_roots = dispatch<HWY_DISPATCH_TABLE(inverse_roots)>;
HWY_EXPORT(adafactor_sum_of_squares);
decltype(adafactor_sum_of_squares) adafactor_sum_of_squares =
    dispatch<HWY_DISPATCH_TABLE(adafactor_sum_of_squares)>;
HWY_EXPORT(adafactor_step);
decltype(adafactor_step) adafactor_step = dispatch<HWY_DISPATCH_TABLE(adafactor_step)>;

}  // namespace switchyard::simd
#endif
