// SPDX-License-Identifier: Apache-2.0
// Operations on rows of tokens: gradient of the embedding, dropout, norm, activation, gather and
// scatter.
#include "simd/rows.h"

#include "simd/activation.h"
#include "simd/rms_norm.h"
#include "src/backend/cpu/views.h"

namespace switchyard {

using cpu::any;
using cpu::dropout_of;
using cpu::f32;
using cpu::for_rows;
using cpu::from;
using cpu::i32;

// Threads split the columns, so that each element of grad_table is summed in token order.
void embed_backward(Context& ctx, ConstView ids, ConstView dy, View grad_table) {
  constexpr std::int64_t kColumns = 64;
  parallel_for(ctx.threads, 0, dy.cols, kColumns, [&](std::int64_t first, std::int64_t last) {
    simd::scatter_rows_add(dy.rows, last - first, cpu::columns_from(f32(dy), first), i32(ids),
                           cpu::columns_from(f32(grad_table), first));
  });
}

void dropout(Context& ctx, Dropout drop, ConstView tags, ConstView x, View y) {
  for_rows(ctx, y.rows, y.cols, [&](std::int64_t first, std::int64_t count) {
    simd::dropout(count, y.cols, dropout_of(drop, tags, first), from(any(x), first),
                  from(any(y), first));
  });
}

void add_dropout(Context& ctx, Dropout drop, ConstView tags, ConstView x, ConstView residual,
                 View y) {
  for_rows(ctx, y.rows, y.cols, [&](std::int64_t first, std::int64_t count) {
    simd::add_dropout(count, y.cols, dropout_of(drop, tags, first), from(any(x), first),
                      from(f32(residual), first), from(f32(y), first));
  });
}

void jitter(Context& ctx, float eps, std::uint64_t stream, ConstView tags, ConstView x, View y) {
  for_rows(ctx, y.rows, y.cols, [&](std::int64_t first, std::int64_t count) {
    simd::jitter(count, y.cols, eps, stream, from(i32(tags), first), from(any(x), first),
                 from(f32(y), first));
  });
}

void rms_norm(Context& ctx, ConstView x, ConstView weight, float eps, View y, View inv_rms) {
  for_rows(ctx, y.rows, y.cols, [&](std::int64_t first, std::int64_t count) {
    simd::rms_norm(count, y.cols, from(f32(x), first), f32(weight).data, eps, from(any(y), first),
                   from(f32(inv_rms), first));
  });
}

void rms_norm_backward(Context& ctx, const RmsNormSaved& s, ConstView dy, View dx,
                       View grad_weight) {
  const std::int64_t cols = s.x.cols;
  const auto rows = [&](std::int64_t first, std::int64_t count, float* dweight_part) {
    simd::rms_norm_backward(count, cols, from(f32(s.x), first), f32(s.weight).data,
                            from(f32(s.inv_rms), first), from(f32(dy), first), from(f32(dx), first),
                            dweight_part);
  };
  cpu::sum_row_blocks(ctx, s.x.rows, cols, f32(grad_weight).data, rows);
}

void activation(Context& ctx, const ActivationCall& call, View y) {
  for_rows(ctx, y.rows, y.cols, [&](std::int64_t first, std::int64_t count) {
    simd::activation(call.act, count, y.cols, from(any(call.hidden), first),
                     from(any(call.gate), first), dropout_of(call.drop, call.tags, first),
                     from(any(y), first));
  });
}

void activation_backward(Context& ctx, const ActivationCall& call, ConstView dy, View grad_hidden,
                         View grad_gate) {
  for_rows(ctx, dy.rows, dy.cols, [&](std::int64_t first, std::int64_t count) {
    simd::activation_backward(call.act, count, dy.cols, from(any(call.hidden), first),
                              from(any(call.gate), first), dropout_of(call.drop, call.tags, first),
                              from(any(dy), first), from(any(grad_hidden), first),
                              from(any(grad_gate), first));
  });
}

void gather_rows(Context& ctx, ConstView x, ConstView index, View y) {
  for_rows(ctx, y.rows, y.cols, [&](std::int64_t first, std::int64_t count) {
    simd::gather_rows(count, y.cols, any(x), from(i32(index), first), from(any(y), first));
  });
}

void gather_rows_add(Context& ctx, ConstView x, ConstView index, View y) {
  for_rows(ctx, y.rows, y.cols, [&](std::int64_t first, std::int64_t count) {
    simd::gather_rows_add(count, y.cols, any(x), from(i32(index), first), from(f32(y), first));
  });
}

void scatter_rows(Context& ctx, ConstView x, ConstView index, View y) {
  for_rows(ctx, x.rows, x.cols, [&](std::int64_t first, std::int64_t count) {
    simd::scatter_rows(count, x.cols, from(any(x), first), from(i32(index), first), any(y));
  });
}

}  // namespace switchyard
