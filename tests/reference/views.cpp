// SPDX-License-Identifier: Apache-2.0
#include "tests/reference/views.h"

#include <cassert>

namespace switchyard::reference {

namespace {

template <class V>
V* row_of(View view, std::int64_t r) {
  return static_cast<V*>(view.data) + r * view.row_stride;
}
template <class V>
const V* row_of(ConstView view, std::int64_t r) {
  return static_cast<const V*>(view.data) + r * view.row_stride;
}

}  // namespace

Matrix<double> load(ConstView view) {
  if (!view) return {};
  Matrix<double> m(view.rows, view.cols);
  for (std::int64_t r = 0; r < view.rows; ++r)
    for (std::int64_t c = 0; c < view.cols; ++c)
      m(r, c) = view.dtype == DType::bf16 ? bf16_to_f32(row_of<std::uint16_t>(view, r)[c])
                                          : row_of<float>(view, r)[c];
  return m;
}

IntMatrix load_ints(ConstView view) {
  if (!view) return {};
  assert(view.dtype == DType::i32);
  IntMatrix m(view.rows, view.cols);
  for (std::int64_t r = 0; r < view.rows; ++r)
    for (std::int64_t c = 0; c < view.cols; ++c) m(r, c) = row_of<std::int32_t>(view, r)[c];
  return m;
}

Sequences load(const Ragged& ragged) {
  return {load_ints(ragged.offsets).values, load_ints(ragged.tags)};
}

void store(const Matrix<double>& values, View view) {
  if (!view) return;
  assert(values.rows >= view.rows && values.cols == view.cols);
  for (std::int64_t r = 0; r < view.rows; ++r)
    for (std::int64_t c = 0; c < view.cols; ++c) {
      const float value = static_cast<float>(values(r, c));
      if (view.dtype == DType::bf16)
        row_of<std::uint16_t>(view, r)[c] = f32_to_bf16(value);
      else
        row_of<float>(view, r)[c] = value;
    }
}

void store(const IntMatrix& values, View view) {
  if (!view) return;
  assert(view.dtype == DType::i32 && values.rows >= view.rows && values.cols == view.cols);
  for (std::int64_t r = 0; r < view.rows; ++r)
    for (std::int64_t c = 0; c < view.cols; ++c) row_of<std::int32_t>(view, r)[c] = values(r, c);
}

void add_to(const Matrix<double>& values, View view) {
  if (!view) return;
  Matrix<double> sum = load(view);
  for (std::size_t i = 0; i < sum.values.size(); ++i) sum.values[i] += values.values[i];
  store(sum, view);
}

}  // namespace switchyard::reference
