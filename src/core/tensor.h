// SPDX-License-Identifier: Apache-2.0
// A view of a matrix in a backend's memory: shape, dtype, row stride, row capacity. It owns
// nothing. Above backend.h `data` is opaque: nothing there reads or writes through it (the
// memory may be a GPU's). A vector is a matrix of one row; per-token scalars are a matrix of one
// column.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>

#include "src/core/dtype.h"

namespace switchyard {

// Token matrices have their row capacity rounded up to this. The rows past the last token are
// undefined: any operation may write them, and no result depends on them.
constexpr std::int64_t kRowRounding = 64;

struct View {
  void* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t row_stride = 0;    // in elements, >= cols
  std::int64_t row_capacity = 0;  // rows that may be touched, >= rows
  DType dtype = DType::f32;

  std::int64_t size() const { return rows * cols; }
  explicit operator bool() const { return data != nullptr; }
  bool contiguous() const { return row_stride == cols || rows <= 1; }

  // Rows [first, first + count), with what is left of the capacity.
  View slice_rows(std::int64_t first, std::int64_t count) const {
    assert(first >= 0 && count >= 0 && first + count <= row_capacity);
    View v = *this;
    v.data = static_cast<std::byte*>(data) + first * row_stride * std::int64_t(size_bytes(dtype));
    v.rows = count;
    v.row_capacity = row_capacity - first;
    return v;
  }
  // Columns [first, first + count), all rows.
  View slice_cols(std::int64_t first, std::int64_t count) const {
    assert(first >= 0 && count >= 0 && first + count <= cols);
    View v = *this;
    v.data = static_cast<std::byte*>(data) + first * std::int64_t(size_bytes(dtype));
    v.cols = count;
    return v;
  }
};

}  // namespace switchyard
