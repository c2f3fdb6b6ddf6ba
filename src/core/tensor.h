// SPDX-License-Identifier: Apache-2.0
// A non-owning view of a matrix in a backend's memory: shape, dtype, row stride, row capacity. A
// View may be written through, a ConstView only read, like std::span<T> and std::span<const T>.
// Above backend.h `data` is opaque: the memory may be a GPU's. A vector is a matrix of one row;
// per-token scalars are a matrix of one column.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "src/core/dtype.h"

namespace switchyard {

// Token matrices have their row capacity rounded up to this. The rows past the last token are
// undefined: any operation may write them, and no result depends on them.
constexpr std::int64_t kRowRounding = 64;

template <class Data>
struct BasicView {
  using Byte = std::conditional_t<std::is_const_v<Data>, const std::byte, std::byte>;

  Data* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t row_stride = 0;    // in elements, >= cols
  std::int64_t row_capacity = 0;  // rows that may be touched, >= rows
  DType dtype = DType::f32;

  std::int64_t size() const { return rows * cols; }
  explicit operator bool() const { return data != nullptr; }
  template <class D = Data, class = std::enable_if_t<!std::is_const_v<D>>>
  operator BasicView<const D>() const {
    return {data, rows, cols, row_stride, row_capacity, dtype};
  }
  bool contiguous() const { return row_stride == cols || rows <= 1; }

  // Rows [first, first + count), with the remaining capacity.
  BasicView slice_rows(std::int64_t first, std::int64_t count) const {
    assert(first >= 0 && count >= 0 && first + count <= row_capacity);
    BasicView v = *this;
    v.data = static_cast<Byte*>(data) + first * row_stride * std::int64_t(size_bytes(dtype));
    v.rows = count;
    v.row_capacity = row_capacity - first;
    return v;
  }
  // Columns [first, first + count), all rows.
  BasicView slice_cols(std::int64_t first, std::int64_t count) const {
    assert(first >= 0 && count >= 0 && first + count <= cols);
    BasicView v = *this;
    v.data = static_cast<Byte*>(data) + first * std::int64_t(size_bytes(dtype));
    v.cols = count;
    return v;
  }
  // Of a vector: the matrix [rows, cols] without gaps that begins at element `first`.
  BasicView matrix(std::int64_t first, std::int64_t matrix_rows, std::int64_t matrix_cols) const {
    assert(rows == 1);
    BasicView v = slice_cols(first, matrix_rows * matrix_cols);
    v.rows = v.row_capacity = matrix_rows;
    v.cols = v.row_stride = matrix_cols;
    return v;
  }
};
using View = BasicView<void>;
using ConstView = BasicView<const void>;

}  // namespace switchyard
