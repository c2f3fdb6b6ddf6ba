// SPDX-License-Identifier: Apache-2.0
#include "simd/rows.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/rows.cpp"
#include "hwy/foreach_target.h"  // first: includes this file again for each target
#include "simd/common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd {
namespace HWY_NAMESPACE {

// to = f(from, to) over one row, by vectors.
template <class F>
HWY_INLINE void update_row(std::int64_t cols, const float* from, float* to, F&& f) {
  each_vector(cols, [&](std::size_t i, auto chunk) HWY_ATTR {
    chunk.store(f(chunk.load(from + i), chunk.load(to + i)), to + i);
  });
}

HWY_INLINE void scaled_row(std::int64_t cols, float factor, const float* from, float* to) {
  const V v = hn::Set(f32, factor);
  each_vector(cols, [&](std::size_t i, auto chunk)
                        HWY_ATTR { chunk.store(hn::Mul(v, chunk.load(from + i)), to + i); });
}

HWY_INLINE void add_row(std::int64_t cols, const float* from, float* to) {
  update_row(cols, from, to, [](V x, V y) HWY_ATTR { return hn::Add(y, x); });
}

void add(std::int64_t rows, std::int64_t cols, In x, Out y) {
  for (std::int64_t r = 0; r < rows; ++r) add_row(cols, x[r], y[r]);
}

void scale(std::int64_t rows, std::int64_t cols, float factor, In x, Out y) {
  for (std::int64_t r = 0; r < rows; ++r) scaled_row(cols, factor, x[r], y[r]);
}

void axpy(std::int64_t rows, std::int64_t cols, float factor, In x, Out y) {
  const V v = hn::Set(f32, factor);
  for (std::int64_t r = 0; r < rows; ++r)
    update_row(cols, x[r], y[r], [&](V a, V b) HWY_ATTR { return hn::MulAdd(v, a, b); });
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

void gather_rows_add(std::int64_t rows, std::int64_t cols, In x, IndexIn index, Out y) {
  for (std::int64_t r = 0; r < rows; ++r)
    if (const std::int32_t from = *index[r]; from >= 0) add_row(cols, x[from], y[r]);
}

void scatter_rows_add(std::int64_t rows, std::int64_t cols, In x, IndexIn index, Out y) {
  for (std::int64_t r = 0; r < rows; ++r)
    if (const std::int32_t to = *index[r]; to >= 0) add_row(cols, x[r], y[to]);
}

void combine_rows(std::int64_t tokens, std::int64_t cols, In expert_out, IndexIn slot_of_token,
                  In combine_weight, Out y) {
  for (std::int64_t t = 0; t < tokens; ++t) {
    const std::int32_t slot = *slot_of_token[t];
    if (slot >= 0)
      scaled_row(cols, *combine_weight[t], expert_out[slot], y[t]);
    else
      std::fill_n(y[t], cols, 0.0f);
  }
}

void combine_rows_grad_out(std::int64_t slots, std::int64_t cols, In dy, IndexIn token_of_slot,
                           In combine_weight, Out grad_out) {
  for (std::int64_t s = 0; s < slots; ++s) {
    const std::int32_t token = *token_of_slot[s];
    if (token >= 0)
      scaled_row(cols, *combine_weight[token], dy[token], grad_out[s]);
    else
      std::fill_n(grad_out[s], cols, 0.0f);
  }
}

void combine_rows_grad_weight(std::int64_t tokens, std::int64_t cols, In dy, In expert_out,
                              IndexIn slot_of_token, Out grad_weight) {
  for (std::int64_t t = 0; t < tokens; ++t) {
    const std::int32_t slot = *slot_of_token[t];
    *grad_weight[t] = slot >= 0 ? dot_product(cols, dy[t], expert_out[slot]) : 0.0f;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace switchyard::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace switchyard::simd {

HWY_EXPORT(add);
HWY_EXPORT(scale);
HWY_EXPORT(axpy);
HWY_EXPORT(lerp);
HWY_EXPORT(add_bias);
HWY_EXPORT(gather_rows_add);
HWY_EXPORT(scatter_rows_add);
HWY_EXPORT(combine_rows);
HWY_EXPORT(combine_rows_grad_out);
HWY_EXPORT(combine_rows_grad_weight);

// Moving rows unchanged is the C library's work.

void fill(std::int64_t rows, std::int64_t cols, float value, Out y) {
  for (std::int64_t r = 0; r < rows; ++r) std::fill_n(y[r], cols, value);
}

void copy(std::int64_t rows, std::int64_t cols, In x, Out y) {
  for (std::int64_t r = 0; r < rows; ++r) std::copy_n(x[r], cols, y[r]);
}

void gather_rows(std::int64_t rows, std::int64_t cols, In x, IndexIn index, Out y) {
  for (std::int64_t r = 0; r < rows; ++r) {
    if (const std::int32_t from = *index[r]; from >= 0)
      std::copy_n(x[from], cols, y[r]);
    else
      std::fill_n(y[r], cols, 0.0f);
  }
}

void scatter_rows(std::int64_t rows, std::int64_t cols, In x, IndexIn index, Out y) {
  for (std::int64_t r = 0; r < rows; ++r)
    if (const std::int32_t to = *index[r]; to >= 0) std::copy_n(x[r], cols, y[to]);
}

void add(std::int64_t rows, std::int64_t cols, In x, Out y) {
  HWY_DYNAMIC_DISPATCH(add)(rows, cols, x, y);
}

void scale(std::int64_t rows, std::int64_t cols, float factor, In x, Out y) {
  HWY_DYNAMIC_DISPATCH(scale)(rows, cols, factor, x, y);
}

void axpy(std::int64_t rows, std::int64_t cols, float factor, In x, Out y) {
  HWY_DYNAMIC_DISPATCH(axpy)(rows, cols, factor, x, y);
}

void lerp(std::int64_t rows, std::int64_t cols, float t, In x, Out y) {
  HWY_DYNAMIC_DISPATCH(lerp)(rows, cols, t, x, y);
}

void add_bias(std::int64_t rows, std::int64_t cols, const float* bias, Out y) {
  HWY_DYNAMIC_DISPATCH(add_bias)(rows, cols, bias, y);
}

void gather_rows_add(std::int64_t rows, std::int64_t cols, In x, IndexIn index, Out y) {
  HWY_DYNAMIC_DISPATCH(gather_rows_add)(rows, cols, x, index, y);
}

void scatter_rows_add(std::int64_t rows, std::int64_t cols, In x, IndexIn index, Out y) {
  HWY_DYNAMIC_DISPATCH(scatter_rows_add)(rows, cols, x, index, y);
}

void combine_rows(std::int64_t tokens, std::int64_t cols, In expert_out, IndexIn slot_of_token,
                  In combine_weight, Out y) {
  HWY_DYNAMIC_DISPATCH(combine_rows)(tokens, cols, expert_out, slot_of_token, combine_weight, y);
}

void combine_rows_grad_out(std::int64_t slots, std::int64_t cols, In dy, IndexIn token_of_slot,
                           In combine_weight, Out grad_out) {
  HWY_DYNAMIC_DISPATCH(combine_rows_grad_out)
  (slots, cols, dy, token_of_slot, combine_weight, grad_out);
}

void combine_rows_grad_weight(std::int64_t tokens, std::int64_t cols, In dy, In expert_out,
                              IndexIn slot_of_token, Out grad_weight) {
  HWY_DYNAMIC_DISPATCH(combine_rows_grad_weight)
  (tokens, cols, dy, expert_out, slot_of_token, grad_weight);
}

}  // namespace switchyard::simd
#endif
