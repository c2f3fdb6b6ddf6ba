// SPDX-License-Identifier: Apache-2.0
// What every kernel takes for a matrix: the first element and the distance between rows, in
// elements. The number of rows and columns is the call's. Per-row scalars are a matrix of one
// column. An empty one switches an optional argument off.
// Kernels are single-threaded and work on a block of rows; what a row becomes depends neither on
// the other rows nor on their number, unless a comment says "summed over rows".
#pragma once

#include <cstdint>
#include <type_traits>

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

}  // namespace switchyard::simd
