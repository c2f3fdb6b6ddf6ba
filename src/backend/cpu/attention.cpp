// SPDX-License-Identifier: Apache-2.0
// Attention over ragged batches: one task per head and sequence.
#include "simd/attention.h"

#include <utility>

#include "simd/convert.h"
#include "simd/rows.h"
#include "src/backend/cpu/views.h"

namespace switchyard {

using cpu::any;
using cpu::columns_from;
using cpu::f32;
using cpu::from;
using cpu::i32;

namespace {

std::int64_t first_token(const Ragged& sequences, std::int64_t b) {
  return i32(sequences.offsets).data[b];
}
std::int64_t length(const Ragged& sequences, std::int64_t b) {
  return first_token(sequences, b + 1) - first_token(sequences, b);
}

// Head h of sequence b.
struct Head {
  Head(const AttentionCall& call, std::int64_t b, std::int64_t h)
      : query(first_token(call.queries, b)), key(first_token(call.keys, b)), col(h * call.d_kv) {
    kernel.query_len = length(call.queries, b);
    kernel.key_len = length(call.keys, b);
    kernel.d_kv = call.d_kv;
    kernel.causal = call.causal;
    if (call.bias) kernel.bias = f32(call.bias)[h] + call.center;
    kernel.drop = cpu::dropout_of(call.drop, call.queries.tags, query);
    kernel.head = static_cast<std::uint32_t>(h);
  }
  // The head's part of a matrix with one row per query, or per key.
  template <class V>
  auto of_queries(const V& v) const {
    return columns_from(from(any(v), query), col);
  }
  template <class V>
  auto of_keys(const V& v) const {
    return columns_from(from(any(v), key), col);
  }

  simd::AttentionHead kernel;
  std::int64_t query, key, col;
};

// A head's matrices as f32 for the kernels: bf16 ones are converted into the thread's own scratch.
class HeadCopies {
 public:
  // Scratch, in floats, for `count` copies of matrices like this one.
  static std::int64_t floats(const ConstView& like, std::int64_t count, const AttentionCall& call) {
    const std::int64_t most_rows = std::max(call.queries.max_len, call.keys.max_len);
    return like.dtype == DType::f32 ? 0 : count * most_rows * call.d_kv;
  }
  HeadCopies(float* scratch, std::int64_t d_kv) : next_(scratch), d_kv_(d_kv) {}

  simd::In in(simd::AnyIn x, std::int64_t rows) {
    if (x.dtype == DType::f32) return simd::rows_of<float>(x);
    const simd::Out copy = take(rows);
    simd::convert(rows, d_kv_, x, copy);
    return copy;
  }
  // A matrix for a result, to be stored with write().
  simd::Out out(simd::AnyOut x, std::int64_t rows) {
    return x.dtype == DType::f32 ? simd::rows_of<float>(x) : take(rows);
  }
  void write(simd::Out copy, simd::AnyOut x, std::int64_t rows) const {
    if (x.dtype != DType::f32) simd::convert(rows, d_kv_, copy, x);
  }

 private:
  simd::Out take(std::int64_t rows) { return {std::exchange(next_, next_ + rows * d_kv_), d_kv_}; }

  float* next_;
  std::int64_t d_kv_;
};

}  // namespace

void expand_bias(Context&, ConstView table, ConstView bucket, View bias) {
  for (std::int64_t h = 0; h < bias.rows; ++h)
    for (std::int64_t i = 0; i < bias.cols; ++i)
      f32(bias)[h][i] = f32(table)[i32(bucket).data[i]][h];
}

void expand_bias_backward(Context&, ConstView grad_bias, ConstView bucket, View grad_table) {
  for (std::int64_t h = 0; h < grad_bias.rows; ++h)
    for (std::int64_t i = 0; i < grad_bias.cols; ++i)
      f32(grad_table)[i32(bucket).data[i]][h] += f32(grad_bias)[h][i];
}

void attention(Context& ctx, const AttentionCall& call, const AttentionInput& in, View out,
               View logsumexp) {
  ArenaScope scope(ctx.scratch);
  const std::int64_t kernel_floats = simd::attention_scratch(call.keys.max_len, call.d_kv);
  const cpu::ThreadScratch scratch(ctx, kernel_floats + HeadCopies::floats(in.q, 4, call));
  parallel_tasks(ctx.threads, call.queries.batch * call.num_heads, [&](std::int64_t task) {
    const std::int64_t b = task / call.num_heads, h = task % call.num_heads;
    const Head head(call, b, h);
    const std::int64_t query_len = head.kernel.query_len, key_len = head.kernel.key_len;
    HeadCopies copies(scratch.mine() + kernel_floats, call.d_kv);
    const simd::Out head_out = copies.out(head.of_queries(out), query_len);
    simd::attention(head.kernel, copies.in(head.of_queries(in.q), query_len),
                    copies.in(head.of_keys(in.k), key_len), copies.in(head.of_keys(in.v), key_len),
                    head_out, columns_from(from(f32(logsumexp), head.query), h), scratch.mine());
    copies.write(head_out, head.of_queries(out), query_len);
  });
}

void attention_backward(Context& ctx, const AttentionCall& call, const AttentionSaved& s,
                        ConstView grad_out, const AttentionGrads& grads) {
  // grad_bias is a sum over sequences: each chunk of sequences has a partial sum, and these are
  // added in order. The number of chunks does not depend on the number of threads.
  constexpr std::int64_t kMostChunks = 16;
  ArenaScope scope(ctx.scratch);
  const View& grad_bias = grads.grad_bias;
  const std::int64_t heads = call.num_heads, batch = call.queries.batch;
  const std::int64_t chunks = std::min(batch, kMostChunks);
  const std::int64_t width = grad_bias.cols;
  View parts;  // [chunks, heads * width]
  if (grad_bias) {
    parts = ctx.scratch.make(chunks, heads * width);
    simd::fill(chunks, parts.cols, 0, f32(parts));
  }
  const std::int64_t kernel_floats = simd::attention_scratch(call.keys.max_len, call.d_kv);
  const cpu::ThreadScratch scratch(ctx, kernel_floats + HeadCopies::floats(s.in.q, 8, call));
  parallel_tasks(ctx.threads, chunks * heads, [&](std::int64_t task) {
    const std::int64_t chunk = task / heads, h = task % heads;
    float* part = grad_bias ? f32(parts)[chunk] + h * width + call.center : nullptr;
    for (std::int64_t b = batch * chunk / chunks; b < batch * (chunk + 1) / chunks; ++b) {
      const Head head(call, b, h);
      const std::int64_t query_len = head.kernel.query_len, key_len = head.kernel.key_len;
      HeadCopies copies(scratch.mine() + kernel_floats, call.d_kv);
      const auto by_query = [&](const ConstView& x) {
        return copies.in(head.of_queries(x), query_len);
      };
      const auto by_key = [&](const ConstView& x) { return copies.in(head.of_keys(x), key_len); };
      const simd::Out head_dq = copies.out(head.of_queries(grads.dq), query_len);
      const simd::Out head_dk = copies.out(head.of_keys(grads.dk), key_len);
      const simd::Out head_dv = copies.out(head.of_keys(grads.dv), key_len);
      simd::attention_backward(head.kernel, by_query(s.in.q), by_key(s.in.k), by_key(s.in.v),
                               by_query(s.out), columns_from(from(f32(s.logsumexp), head.query), h),
                               by_query(grad_out), head_dq, head_dk, head_dv, part, scratch.mine());
      copies.write(head_dq, head.of_queries(grads.dq), query_len);
      copies.write(head_dk, head.of_keys(grads.dk), key_len);
      copies.write(head_dv, head.of_keys(grads.dv), key_len);
    }
  });
  for (std::int64_t h = 0; grad_bias && h < heads; ++h)
    simd::add_column_sums(chunks, width, columns_from(f32(parts), h * width), f32(grad_bias)[h]);
}

void attention_probs(Context& ctx, const AttentionCall& call, const AttentionSaved& s, View probs) {
  assert(s.in.q.dtype == DType::f32 && s.in.k.dtype == DType::f32);
  parallel_tasks(ctx.threads, call.queries.batch * call.num_heads, [&](std::int64_t task) {
    const std::int64_t b = task / call.num_heads, h = task % call.num_heads;
    const Head head(call, b, h);
    const simd::Out mine = from(f32(probs), task * call.queries.max_len);
    simd::fill(call.queries.max_len, call.keys.max_len, 0, mine);
    simd::attention_probs(head.kernel, simd::rows_of<float>(head.of_queries(s.in.q)),
                          simd::rows_of<float>(head.of_keys(s.in.k)),
                          columns_from(from(f32(s.logsumexp), head.query), h), mine);
  });
}

void attention_step(Context& ctx, const AttentionCall& call, ConstView q, const CachedKeys& keys,
                    View out) {
  std::int64_t most_keys = 0;
  for (std::int64_t r = 0; r < q.rows; ++r)
    most_keys = std::max<std::int64_t>(most_keys, *i32(keys.count)[r]);
  ArenaScope scope(ctx.scratch);
  const cpu::ThreadScratch scratch(ctx, simd::attention_step_scratch(most_keys));
  cpu::for_rows(ctx, q.rows, most_keys * q.cols, [&](std::int64_t first, std::int64_t count) {
    for (std::int64_t r = first; r < first + count; ++r) {
      const simd::StepKeys seen{any(keys.k), any(keys.v),
                                i32(keys.index).data + *i32(keys.first)[r], *i32(keys.count)[r]};
      simd::attention_step(call.num_heads, call.d_kv, from(any(q), r), seen,
                           columns_from(f32(call.bias), call.center), from(any(out), r),
                           scratch.mine());
    }
  });
}

}  // namespace switchyard
