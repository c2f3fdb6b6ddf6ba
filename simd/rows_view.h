// SPDX-License-Identifier: Apache-2.0
// A kernel's view of a matrix: a pointer to its first element and the distance between rows, in
// elements. The call passes the number of rows and columns. Per-row scalars are a matrix of one
// column. An empty matrix omits an optional argument.
// Kernels are single-threaded and work on a block of rows. A row's result depends neither on the
// other rows nor on their number, unless a comment says that it sums over rows.
#pragma once

#include <cstdint>
#include <type_traits>

#include "src/core/dtype.h"

namespace switchyard::simd {

template <class T>
struct Rows {
  T* data = nullptr;
  std::int64_t stride = 0;

  T* operator[](std::int64_t row) const { return data + row * stride; }
  explicit operator bool() const { return data != nullptr; }
  operator Rows<const T>() const requires(!std::is_const_v<T>) { return {data, stride}; }
};

using Out = Rows<float>;
using In = Rows<const float>;
using IndexOut = Rows<std::int32_t>;
using IndexIn = Rows<const std::int32_t>;

// A matrix of f32 or bf16: kernels compute in f32 and round to nearest even on storing.
struct AnyOut {
  void* data = nullptr;
  std::int64_t stride = 0;
  DType dtype = DType::f32;

  AnyOut() = default;
  AnyOut(void* data_, std::int64_t stride_, DType dtype_)
      : data(data_), stride(stride_), dtype(dtype_) {}
  AnyOut(Out x) : data(x.data), stride(x.stride) {}
  explicit operator bool() const { return data != nullptr; }
};
struct AnyIn {
  const void* data = nullptr;
  std::int64_t stride = 0;
  DType dtype = DType::f32;

  AnyIn() = default;
  AnyIn(In x) : data(x.data), stride(x.stride) {}
  AnyIn(Rows<const Bf16> x) : data(x.data), stride(x.stride), dtype(DType::bf16) {}
  AnyIn(Out x) : data(x.data), stride(x.stride) {}
  AnyIn(AnyOut x) : data(x.data), stride(x.stride), dtype(x.dtype) {}
  explicit operator bool() const { return data != nullptr; }
};

template <class T>
Rows<const T> rows_of(AnyIn x) {
  return {static_cast<const T*>(x.data), x.stride};
}
template <class T>
Rows<T> rows_of(AnyOut x) {
  return {static_cast<T*>(x.data), x.stride};
}

// Calls f with x as rows of its element type.
template <class Any, class F>
void with_rows(Any x, F&& f) {
  if (x.dtype == DType::bf16)
    f(rows_of<Bf16>(x));
  else
    f(rows_of<float>(x));
}
template <class A, class B, class F>
void with_rows(A x, B y, F&& f) {
  with_rows(x, [&](auto x_rows) { with_rows(y, [&](auto y_rows) { f(x_rows, y_rows); }); });
}

}  // namespace switchyard::simd
