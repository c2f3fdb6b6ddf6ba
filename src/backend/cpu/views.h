// SPDX-License-Identifier: Apache-2.0
// Converts the contract's views to the kernels' row types (simd/rows_view.h), and splits rows into
// pieces.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <type_traits>

#include "simd/dropout.h"
#include "simd/reduce.h"
#include "simd/rows_view.h"
#include "src/backend/backend.h"
#include "src/core/parallel.h"

namespace switchyard::cpu {

inline simd::Out f32(const View& v) {
  assert(!v || v.dtype == DType::f32);
  return {static_cast<float*>(v.data), v.row_stride};
}
inline simd::In f32(const ConstView& v) {
  assert(!v || v.dtype == DType::f32);
  return {static_cast<const float*>(v.data), v.row_stride};
}
// f32 or bf16.
inline simd::AnyOut any(const View& v) {
  assert(!v || v.dtype == DType::f32 || v.dtype == DType::bf16);
  return {v.data, v.row_stride, v.dtype};
}
inline simd::AnyIn any_in(const void* data, std::int64_t stride, DType dtype) {
  simd::AnyIn x;
  x.data = data;
  x.stride = stride;
  x.dtype = dtype;
  return x;
}
inline simd::AnyIn any(const ConstView& v) {
  assert(!v || v.dtype == DType::f32 || v.dtype == DType::bf16);
  return any_in(v.data, v.row_stride, v.dtype);
}
inline Bf16* bf16(const View& v) {
  assert(!v || (v.dtype == DType::bf16 && v.contiguous()));
  return static_cast<Bf16*>(v.data);
}
inline const Bf16* bf16(const ConstView& v) {
  assert(!v || (v.dtype == DType::bf16 && v.contiguous()));
  return static_cast<const Bf16*>(v.data);
}
inline simd::IndexOut i32(const View& v) {
  assert(!v || v.dtype == DType::i32);
  return {static_cast<std::int32_t*>(v.data), v.row_stride};
}
inline simd::IndexIn i32(const ConstView& v) {
  assert(!v || v.dtype == DType::i32);
  return {static_cast<const std::int32_t*>(v.data), v.row_stride};
}

// The `count` rows past an input's last token, which any operation may write.
inline View padding_of(const ConstView& v, std::int64_t count) {
  return {const_cast<void*>(v.slice_rows(v.rows, count).data),
          count,
          v.cols,
          v.row_stride,
          count,
          v.dtype};
}

// The matrix starting at row `first`; an empty one stays empty.
template <class T>
simd::Rows<T> from(simd::Rows<T> x, std::int64_t first) {
  return x ? simd::Rows<T>{x[first], x.stride} : x;
}
inline simd::AnyOut from(simd::AnyOut x, std::int64_t first) {
  const std::int64_t bytes = first * x.stride * static_cast<std::int64_t>(size_bytes(x.dtype));
  return x ? simd::AnyOut{static_cast<std::byte*>(x.data) + bytes, x.stride, x.dtype} : x;
}
inline simd::AnyIn from(simd::AnyIn x, std::int64_t first) {
  const std::int64_t bytes = first * x.stride * static_cast<std::int64_t>(size_bytes(x.dtype));
  return x ? any_in(static_cast<const std::byte*>(x.data) + bytes, x.stride, x.dtype) : x;
}
template <class T>
simd::Rows<T> columns_from(simd::Rows<T> x, std::int64_t first) {
  return x ? simd::Rows<T>{x.data + first, x.stride} : x;
}
inline simd::AnyOut columns_from(simd::AnyOut x, std::int64_t first) {
  const std::int64_t bytes = first * static_cast<std::int64_t>(size_bytes(x.dtype));
  return x ? simd::AnyOut{static_cast<std::byte*>(x.data) + bytes, x.stride, x.dtype} : x;
}
inline simd::AnyIn columns_from(simd::AnyIn x, std::int64_t first) {
  const std::int64_t bytes = first * static_cast<std::int64_t>(size_bytes(x.dtype));
  return x ? any_in(static_cast<const std::byte*>(x.data) + bytes, x.stride, x.dtype) : x;
}

// Dropout for the rows starting at token `first`.
inline simd::Dropout dropout_of(const Dropout& drop, const ConstView& tags, std::int64_t first) {
  return {drop.rate, drop.stream, from(i32(tags), first), {}};
}

// About 64 KiB of f32 per piece: enough to pay for starting a thread, small enough to balance load.
inline std::int64_t row_grain(std::int64_t cols) {
  return std::max<std::int64_t>(1, (std::int64_t{1} << 14) / std::max<std::int64_t>(1, cols));
}

// Calls f(first, count) on pieces of [0, rows).
template <class F>
void for_rows(Context& ctx, std::int64_t rows, std::int64_t cols, F&& f) {
  parallel_for(ctx.threads, 0, rows, row_grain(cols),
               [&](std::int64_t first, std::int64_t last) { f(first, last - first); });
}

// The block of a matmul's result that one task computes.
constexpr std::int64_t kRowBlock = 96;
constexpr std::int64_t kOutBlock = 256;  // a multiple of every target's panel size

struct ResultBlock {
  std::int64_t row, rows, first_col, last_col;
};
// Calls f(block) for blocks that together cover y.
template <class F>
void for_result_blocks(Context& ctx, const View& y, F&& f) {
  const std::int64_t row_blocks = (y.rows + kRowBlock - 1) / kRowBlock;
  const std::int64_t out_blocks = (y.cols + kOutBlock - 1) / kOutBlock;
  parallel_for(ctx.threads, 0, row_blocks * out_blocks, 1, [&](std::int64_t task, std::int64_t) {
    const std::int64_t row = task % row_blocks * kRowBlock, col = task / row_blocks * kOutBlock;
    f(ResultBlock{row, std::min(kRowBlock, y.rows - row), col, std::min(y.cols, col + kOutBlock)});
  });
}

// Calls f(id, row) for each row of y, f32, with its element of ids [y.rows, 1].
template <class F>
void for_looked_up_rows(Context& ctx, const ConstView& ids, const View& y, F&& f) {
  for_rows(ctx, y.rows, y.cols, [&](std::int64_t first, std::int64_t count) {
    const simd::IndexIn id = from(i32(ids), first);
    const simd::Out row = from(f32(y), first);
    for (std::int64_t t = 0; t < count; ++t) f(std::int64_t{*id[t]}, row[t]);
  });
}

// Uninitialized scratch for `count` values, valid until the caller's ArenaScope ends.
template <class T>
T* scratch_array(Context& ctx, std::int64_t count) {
  static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= 64);
  const auto bytes = static_cast<std::int64_t>(sizeof(T)) * count;
  return static_cast<T*>(ctx.scratch.make_row(bytes, DType::i8).data);
}

// The same, for each thread of the parallel loops that follow.
class ThreadScratch {
 public:
  ThreadScratch(Context& ctx, std::int64_t floats)
      : stride_((floats + 15) / 16 * 16),  // whole cache lines: no false sharing
        data_(scratch_array<float>(ctx, stride_ * ctx.threads)) {}
  float* mine() const { return data_ + stride_ * omp_get_thread_num(); }

 private:
  std::int64_t stride_;
  float* data_;
};

// total [cols] += the sum over rows: f(first, count, partial) adds the sum of a block's rows to
// `partial`. The blocks do not depend on the number of threads and are added in order.
template <class F>
void sum_row_blocks(Context& ctx, std::int64_t rows, std::int64_t cols, float* total, F&& f) {
  constexpr std::int64_t kBlock = 128;
  ArenaScope scope(ctx.scratch);
  const std::int64_t blocks = (rows + kBlock - 1) / kBlock;
  const View partials = ctx.scratch.make(blocks, cols);
  parallel_for(ctx.threads, 0, rows, kBlock, [&](std::int64_t first, std::int64_t last) {
    float* partial = f32(partials)[first / kBlock];
    std::fill(partial, partial + cols, 0.0f);
    f(first, last - first, partial);
  });
  simd::add_column_sums(blocks, cols, f32(partials), total);
}

}  // namespace switchyard::cpu
