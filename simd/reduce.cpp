// SPDX-License-Identifier: Apache-2.0
#include "simd/reduce.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/reduce.cpp"
#include "hwy/foreach_target.h"  // first: includes this file again for each target
#include "simd/common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd {
namespace HWY_NAMESPACE {

using F64 = hn::ScalableTag<double>;
using VD = hn::Vec<F64>;
constexpr F64 f64{};
constexpr hn::Rebind<float, F64> f32_half{};

// Sums term(x[i]) in double: two partial sums of vectors, then the remaining elements one by one.
template <class Term, class TailTerm>
HWY_INLINE double sum_in_double(std::int64_t n, const float* x, Term&& term, TailTerm&& tail_term) {
  const std::size_t size = static_cast<std::size_t>(n), step = hn::Lanes(f64);
  VD s0 = hn::Zero(f64), s1 = s0;
  std::size_t i = 0;
  for (; i + 2 * step <= size; i += 2 * step) {
    s0 = term(s0, hn::PromoteTo(f64, hn::LoadU(f32_half, x + i)));
    s1 = term(s1, hn::PromoteTo(f64, hn::LoadU(f32_half, x + i + step)));
  }
  double sum = hn::GetLane(hn::SumOfLanes(f64, hn::Add(s0, s1)));
  for (; i < size; ++i) sum += tail_term(static_cast<double>(x[i]));
  return sum;
}

double sum_of_squares(std::int64_t n, const float* x) {
  return sum_in_double(
      n, x, [](VD s, VD v) HWY_ATTR { return hn::MulAdd(v, v, s); },
      [](double v) { return v * v; });
}

double sum(std::int64_t n, const float* x) {
  return sum_in_double(
      n, x, [](VD s, VD v) HWY_ATTR { return hn::Add(s, v); }, [](double v) { return v; });
}

void add_column_sums(std::int64_t rows, std::int64_t cols, In x, float* total) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* row = x[r];
    each_vector(cols, [&](std::size_t i, auto chunk) HWY_ATTR {
      chunk.store(hn::Add(chunk.load(total + i), chunk.load(row + i)), total + i);
    });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace switchyard::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace switchyard::simd {

HWY_EXPORT(sum_of_squares);
decltype(sum_of_squares) sum_of_squares = dispatch<HWY_DISPATCH_TABLE(sum_of_squares)>;
HWY_EXPORT(sum);
decltype(sum) sum = dispatch<HWY_DISPATCH_TABLE(sum)>;
HWY_EXPORT(add_column_sums);
decltype(add_column_sums) add_column_sums = dispatch<HWY_DISPATCH_TABLE(add_column_sums)>;

}  // namespace switchyard::simd
#endif
