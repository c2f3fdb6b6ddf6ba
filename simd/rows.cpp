// SPDX-License-Identifier: Apache-2.0
#include "simd/rows.h"

#include <algorithm>
#include <cassert>
#include <type_traits>

#include "simd/convert.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/rows.cpp"
#include "hwy/foreach_target.h"  // first: includes this file again for each target
#include "simd/common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd {
namespace HWY_NAMESPACE {

// to = f(from, to) over one row.
template <class X, class F>
HWY_INLINE void update_row(std::int64_t cols, const X* from, float* to, F&& f) {
  each_vector(cols, [&](std::size_t i, auto chunk) HWY_ATTR {
    chunk.store(f(chunk.load(from + i), chunk.load(to + i)), to + i);
  });
}

template <class X, class Y>
HWY_INLINE void scaled_row(std::int64_t cols, float factor, const X* from, Y* to) {
  const V v = hn::Set(f32, factor);
  each_vector(cols, [&](std::size_t i, auto chunk)
                        HWY_ATTR { chunk.store(hn::Mul(v, chunk.load(from + i)), to + i); });
}

template <class X>
HWY_INLINE void add_row(std::int64_t cols, const X* from, float* to) {
  update_row(cols, from, to, [](V x, V y) HWY_ATTR { return hn::Add(y, x); });
}

void add(std::int64_t rows, std::int64_t cols, In x, Out y) {
  for (std::int64_t r = 0; r < rows; ++r) add_row(cols, x[r], y[r]);
}

template <class X, class Y>
void scale_typed(std::int64_t rows, std::int64_t cols, float factor, Rows<X> x, Rows<Y> y) {
  for (std::int64_t r = 0; r < rows; ++r) scaled_row(cols, factor, x[r], y[r]);
}
void scale(std::int64_t rows, std::int64_t cols, float factor, AnyIn x, AnyOut y) {
  with_rows(x, y, [&](auto from, auto to) { scale_typed(rows, cols, factor, from, to); });
}

void lerp(std::int64_t rows, std::int64_t cols, float t, In x, Out y) {
  const V v = hn::Set(f32, t);
  for (std::int64_t r = 0; r < rows; ++r)
    update_row(cols, x[r], y[r],
               [&](V a, V b) HWY_ATTR { return hn::MulAdd(v, hn::Sub(a, b), b); });
}

void add_bias(std::int64_t rows, std::int64_t cols, const float* bias, Out y) {
  for (std::int64_t r = 0; r < rows; ++r) add_row(cols, bias, y[r]);
}

template <class X>
void gather_add_typed(std::int64_t rows, std::int64_t cols, Rows<X> x, IndexIn index, Out y) {
  for (std::int64_t r = 0; r < rows; ++r)
    if (const std::int32_t from = *index[r]; from >= 0) add_row(cols, x[from], y[r]);
}
void gather_rows_add(std::int64_t rows, std::int64_t cols, AnyIn x, IndexIn index, Out y) {
  with_rows(x, [&](auto from) { gather_add_typed(rows, cols, from, index, y); });
}

void scatter_rows_add(std::int64_t rows, std::int64_t cols, In x, IndexIn index, Out y) {
  for (std::int64_t r = 0; r < rows; ++r)
    if (const std::int32_t to = *index[r]; to >= 0) add_row(cols, x[r], y[to]);
}

// y[r] = factor[index[r]] * x[index[r]] or, with factor_by_row, factor[r] * x[index[r]]; 0 if the
// index is negative.
template <bool factor_by_row, class X, class Y>
void gather_scaled(std::int64_t rows, std::int64_t cols, Rows<X> x, IndexIn index, In factor,
                   Rows<Y> y) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int32_t from = *index[r];
    if (from >= 0)
      scaled_row(cols, *factor[factor_by_row ? r : from], x[from], y[r]);
    else
      std::fill_n(y[r], cols, Y{});
  }
}

void combine_rows(std::int64_t tokens, std::int64_t cols, AnyIn expert_out, IndexIn slot_of_token,
                  In combine_weight, AnyOut y) {
  with_rows(expert_out, y, [&](auto from, auto to) {
    gather_scaled<true>(tokens, cols, from, slot_of_token, combine_weight, to);
  });
}

void combine_rows_grad_out(std::int64_t slots, std::int64_t cols, AnyIn dy, IndexIn token_of_slot,
                           In combine_weight, AnyOut grad_out) {
  with_rows(dy, grad_out, [&](auto from, auto to) {
    gather_scaled<false>(slots, cols, from, token_of_slot, combine_weight, to);
  });
}

template <class X>
void grad_weight_typed(std::int64_t tokens, std::int64_t cols, Rows<X> dy, Rows<X> expert_out,
                       IndexIn slot_of_token, Out grad_weight) {
  for (std::int64_t t = 0; t < tokens; ++t) {
    const std::int32_t slot = *slot_of_token[t];
    *grad_weight[t] = slot >= 0 ? dot_product(cols, dy[t], expert_out[slot]) : 0.0f;
  }
}
void combine_rows_grad_weight(std::int64_t tokens, std::int64_t cols, AnyIn dy, AnyIn expert_out,
                              IndexIn slot_of_token, Out grad_weight) {
  with_rows(dy, [&](auto grad) {
    const decltype(grad) out{static_cast<decltype(grad.data)>(expert_out.data), expert_out.stride};
    grad_weight_typed(tokens, cols, grad, out, slot_of_token, grad_weight);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace switchyard::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace switchyard::simd {

HWY_EXPORT(add);
decltype(add) add = dispatch<HWY_DISPATCH_TABLE(add)>;
HWY_EXPORT(scale);
decltype(scale) scale = dispatch<HWY_DISPATCH_TABLE(scale)>;
HWY_EXPORT(lerp);
decltype(lerp) lerp = dispatch<HWY_DISPATCH_TABLE(lerp)>;
HWY_EXPORT(add_bias);
decltype(add_bias) add_bias = dispatch<HWY_DISPATCH_TABLE(add_bias)>;
HWY_EXPORT(gather_rows_add);
decltype(gather_rows_add) gather_rows_add = dispatch<HWY_DISPATCH_TABLE(gather_rows_add)>;
HWY_EXPORT(scatter_rows_add);
decltype(scatter_rows_add) scatter_rows_add = dispatch<HWY_DISPATCH_TABLE(scatter_rows_add)>;
HWY_EXPORT(combine_rows);
decltype(combine_rows) combine_rows = dispatch<HWY_DISPATCH_TABLE(combine_rows)>;
HWY_EXPORT(combine_rows_grad_out);
decltype(combine_rows_grad_out) combine_rows_grad_out =
    dispatch<HWY_DISPATCH_TABLE(combine_rows_grad_out)>;
HWY_EXPORT(combine_rows_grad_weight);
decltype(combine_rows_grad_weight) combine_rows_grad_weight =
    dispatch<HWY_DISPATCH_TABLE(combine_rows_grad_weight)>;

// Copying rows needs no kernel: the C library does it.

void fill(std::int64_t rows, std::int64_t cols, float value, AnyOut y) {
  for (std::int64_t r = 0; r < rows; ++r) {
    if (y.dtype == DType::bf16)
      std::fill_n(rows_of<Bf16>(y)[r], cols, Bf16{f32_to_bf16(value)});
    else
      std::fill_n(rows_of<float>(y)[r], cols, value);
  }
}

void copy(std::int64_t rows, std::int64_t cols, In x, Out y) {
  for (std::int64_t r = 0; r < rows; ++r) std::copy_n(x[r], cols, y[r]);
}

void gather_rows(std::int64_t rows, std::int64_t cols, AnyIn x, IndexIn index, AnyOut y) {
  assert(x.dtype == y.dtype);
  with_rows(y, [&](auto to) {
    using T = std::remove_pointer_t<decltype(to.data)>;
    const Rows<const T> from = rows_of<T>(x);
    for (std::int64_t r = 0; r < rows; ++r) {
      if (const std::int32_t at = *index[r]; at >= 0)
        std::copy_n(from[at], cols, to[r]);
      else
        std::fill_n(to[r], cols, T{});
    }
  });
}

void scatter_rows(std::int64_t rows, std::int64_t cols, AnyIn x, IndexIn index, AnyOut y) {
  with_rows(x, y, [&](auto from, auto to) {
    for (std::int64_t r = 0; r < rows; ++r)
      if (const std::int32_t at = *index[r]; at >= 0)
        convert(1, cols, Rows{from[r], cols}, AnyOut(to[at], cols, y.dtype));
  });
}

}  // namespace switchyard::simd
#endif
