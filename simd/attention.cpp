// SPDX-License-Identifier: Apache-2.0
#include "simd/attention.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

#include "hwy/cache_control.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/attention.cpp"
#include "hwy/foreach_target.h"  // first: includes this file again for each target
#include "simd/dropout-inl.h"
#include "simd/small_gemm-inl.h"
#include "simd/softmax-inl.h"
#include "simd/transpose-inl.h"

// Shared by all targets: this file is included once for each.
#ifndef SWITCHYARD_SIMD_ATTENTION_LAYOUT_
#define SWITCHYARD_SIMD_ATTENTION_LAYOUT_
namespace switchyard::simd {

// Queries are processed in blocks whose scores stay in the L1 cache.
constexpr std::int64_t kQueryBlock = 32;

// Rows of scores and of transposed keys are padded to whole vectors of the widest target: rows are
// short, and masked stores are slow on some machines.
constexpr std::int64_t padded(std::int64_t n) {
  constexpr std::int64_t widest = HWY_ARCH_X86 ? 16 : 64;
  return (n + widest - 1) / widest * widest;
}

// Floats in a block's window of biases: see window_len().
constexpr std::int64_t window_capacity(std::int64_t stride) { return kQueryBlock + stride; }

}  // namespace switchyard::simd
#endif

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd {
namespace HWY_NAMESPACE {

HWY_INLINE In from_row(In x, std::int64_t row) { return {x[row], x.stride}; }
HWY_INLINE Out from_row(Out x, std::int64_t row) { return {x[row], x.stride}; }

// A block of queries [begin, begin + count) of the sequence, which together see `seen` keys.
struct Block {
  std::int64_t begin, count, seen;
};

// The number of keys that query t sees.
HWY_INLINE std::int64_t visible(const AttentionHead& head, std::int64_t t) {
  return head.causal ? std::min(t + 1, head.key_len) : head.key_len;
}

HWY_INLINE Block block_from(const AttentionHead& head, std::int64_t begin) {
  const std::int64_t count = std::min(kQueryBlock, head.query_len - begin);
  return {begin, count, visible(head, begin + count - 1)};
}

// A block's biases are copied into one window, in which those of query i start at (count - 1 - i).
// Whole vectors may be read from the window, and written to that of the gradient.
HWY_INLINE std::int64_t window_len(const Block& block) { return block.count - 1 + block.seen; }
HWY_INLINE std::int64_t window_start(const Block& block) {
  return -(block.begin + block.count - 1);
}
HWY_INLINE std::int64_t window_row(const Block& block, std::int64_t i) {
  return block.count - 1 - i;
}

HWY_INLINE void add_row(std::int64_t n, const float* x, float* y) {
  each_vector(n, [&](std::size_t i, auto chunk) HWY_ATTR {
    chunk.store(hn::Add(chunk.load(y + i), chunk.load(x + i)), y + i);
  });
}

// Calls f(i, live) for the whole vectors that cover n elements; live(v, other) is v in the lanes of
// those elements and `other` in the rest.
template <class F>
HWY_INLINE void each_padded_vector(std::int64_t n, F&& f) {
  const std::size_t size = static_cast<std::size_t>(n), step = lanes();
  std::size_t i = 0;
  for (; i + step <= size; i += step) f(i, [](V v, V) HWY_ATTR { return v; });
  if (i < size)
    f(i,
      [&](V v, V other) HWY_ATTR { return hn::IfThenElse(hn::FirstN(f32, size - i), v, other); });
}

// p = softmax(p + bias) over n elements, 0 in the rest of the last vector. Returns the logsumexp.
HWY_INLINE float biased_softmax(std::int64_t n, const float* bias, float* p) {
  const V none = hn::Set(f32, -std::numeric_limits<float>::infinity());
  V most = none;
  each_padded_vector(n, [&](std::size_t i, auto live) HWY_ATTR {
    V score = hn::LoadU(f32, p + i);
    if (bias) score = hn::Add(score, hn::LoadU(f32, bias + i));
    score = live(score, none);
    hn::StoreU(score, f32, p + i);
    most = hn::IfThenElse(hn::Gt(score, most), score, most);
  });
  const std::int64_t step = static_cast<std::int64_t>(lanes());
  const std::int64_t whole = (n + step - 1) / step * step;
  const float max = hn::GetLane(hn::MaxOfLanes(f32, most));
  const float sum = exp_and_sum(whole, p, max, p);
  scale_row(whole, 1.0f / sum, p);
  return max + std::log(sum);
}

HWY_INLINE std::size_t first_element(const AttentionHead& head) {
  return static_cast<std::size_t>(head.head) << 16;
}

void attention(const AttentionHead& head, In q, In k, In v, Out out, Out logsumexp,
               float* scratch) {
  const Out keys{scratch, padded(head.key_len)};  // [d_kv, key_len]
  const Out probs{scratch + head.d_kv * keys.stride, keys.stride};
  float* const window = probs[kQueryBlock];
  transpose(head.key_len, head.d_kv, k, padded(head.key_len), keys);
  for (std::int64_t begin = 0; begin < head.query_len; begin += kQueryBlock) {
    const Block block = block_from(head, begin);
    multiply<false>(block.count, padded(block.seen), head.d_kv, plain(from_row(q, begin)), keys,
                    probs);
    if (head.bias) std::copy_n(head.bias + window_start(block), window_len(block), window);
    for (std::int64_t i = 0; i < block.count; ++i) {
      const std::int64_t t = begin + i, own = visible(head, t);
      float* p = probs[i];
      const float lse = biased_softmax(own, head.bias ? window + window_row(block, i) : nullptr, p);
      if (logsumexp) *logsumexp[t] = lse;
      if (head.drop.rate > 0) {
        const DropRow drop_row(head.drop, t);
        each_padded_vector(own, [&](std::size_t j, auto) HWY_ATTR {
          const V dropped = drop_row(hn::LoadU(f32, p + j), first_element(head) + j);
          hn::StoreU(dropped, f32, p + j);
        });
      }
      std::fill(p + own, p + block.seen, 0.0f);
    }
    multiply<false>(block.count, head.d_kv, block.seen, plain(probs), v, from_row(out, begin));
  }
}

// For one query, computes from its scores, the gradient w.r.t. its dropped probabilities, its
// logsumexp and out_dot = out . grad_out:
//   p = exp(score + bias - logsumexp),  dropped = mask * p / (1 - rate),
//   grad_score = dropped * grad - p * out_dot
// dropped replaces the scores, grad_score the gradients, with 0 in the rest of the last vector;
// grad_bias += grad_score.
HWY_INLINE void softmax_backward(const AttentionHead& head, std::int64_t t, std::int64_t own,
                                 const float* bias, float logsumexp, float out_dot, float* scores,
                                 float* grads, float* grad_bias) {
  const DropRow drop_row(head.drop, t);
  const V lse = hn::Set(f32, logsumexp), pull = hn::Set(f32, out_dot), zero = hn::Zero(f32);
  each_padded_vector(own, [&](std::size_t j, auto live) HWY_ATTR {
    V score = hn::LoadU(f32, scores + j);
    if (bias) score = hn::Add(score, hn::LoadU(f32, bias + j));
    const V p = live(exp(hn::Sub(score, lse)), zero);
    const V dropped = drop_row(p, first_element(head) + j);
    const V grad = hn::NegMulAdd(p, pull, hn::Mul(dropped, hn::LoadU(f32, grads + j)));
    hn::StoreU(dropped, f32, scores + j);
    hn::StoreU(grad, f32, grads + j);
    if (grad_bias) hn::StoreU(hn::Add(hn::LoadU(f32, grad_bias + j), grad), f32, grad_bias + j);
  });
}

void attention_backward(const AttentionHead& head, In q, In k, In v, In out, In logsumexp,
                        In grad_out, Out dq, Out dk, Out dv, float* grad_bias, float* scratch) {
  const std::int64_t stride = padded(head.key_len), d_kv = head.d_kv;
  const Out keys{scratch, stride};  // [d_kv, key_len], as values
  const Out values{keys[d_kv], stride};
  const Out probs{values[d_kv], stride};
  const Out grads{probs[kQueryBlock], stride};
  float* const window = grads[kQueryBlock];
  float* const grad_window = window + window_capacity(stride);
  transpose(head.key_len, d_kv, k, padded(head.key_len), keys);
  transpose(head.key_len, d_kv, v, padded(head.key_len), values);
  for (std::int64_t j = 0; j < head.key_len; ++j) {
    std::fill_n(dk[j], d_kv, 0.0f);
    std::fill_n(dv[j], d_kv, 0.0f);
  }
  for (std::int64_t begin = 0; begin < head.query_len; begin += kQueryBlock) {
    const Block block = block_from(head, begin);
    const std::int64_t count = block.count, seen = block.seen;
    const In q_block = from_row(q, begin), dout_block = from_row(grad_out, begin);
    multiply<false>(count, padded(seen), d_kv, plain(q_block), keys, probs);
    multiply<false>(count, padded(seen), d_kv, plain(dout_block), values, grads);
    if (head.bias) std::copy_n(head.bias + window_start(block), window_len(block), window);
    if (grad_bias) std::fill_n(grad_window, window_len(block), 0.0f);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t t = begin + i, own = visible(head, t), row = window_row(block, i);
      softmax_backward(head, t, own, head.bias ? window + row : nullptr, *logsumexp[t],
                       dot_product(d_kv, out[t], grad_out[t]), probs[i], grads[i],
                       grad_bias ? grad_window + row : nullptr);
      std::fill(probs[i] + own, probs[i] + seen, 0.0f);
      std::fill(grads[i] + own, grads[i] + seen, 0.0f);
    }
    if (grad_bias) add_row(window_len(block), grad_window, grad_bias + window_start(block));
    multiply<false>(count, d_kv, seen, plain(grads), k, from_row(dq, begin));
    multiply<true>(seen, d_kv, count, transposed(grads), q_block, dk);
    multiply<true>(seen, d_kv, count, transposed(probs), dout_block, dv);
  }
}

void attention_probs(const AttentionHead& head, In q, In k, In logsumexp, Out probs) {
  for (std::int64_t t = 0; t < head.query_len; ++t) {
    const std::int64_t own = visible(head, t);
    float* p = probs[t];
    dot_rows(own, head.d_kv, q[t], k, p);
    if (head.bias) add_row(own, head.bias - t, p);
    exp_and_sum(own, p, *logsumexp[t], p);
    std::fill(p + own, p + head.key_len, 0.0f);
  }
}

// The rows of x that an index lists, starting at a column.
template <class T>
struct ListedRows {
  Rows<const T> x;
  const std::int32_t* index;
  std::int64_t column;

  const T* operator[](std::int64_t i) const { return x[index[i]] + column; }
};

// y [d] = p [n] . x [n, d], four vectors of y at a time.
template <class X, class Y>
HWY_INLINE void weighted_sum(std::int64_t n, std::int64_t d, const float* p, const ListedRows<X>& x,
                             Y* y) {
  const Whole whole;
  const std::int64_t step = static_cast<std::int64_t>(lanes());
  std::int64_t c = 0;
  for (; c + 4 * step <= d; c += 4 * step) {
    V s0 = hn::Zero(f32), s1 = s0, s2 = s0, s3 = s0;
    for (std::int64_t j = 0; j < n; ++j) {
      const V weight = hn::Set(f32, p[j]);
      const X* row = x[j] + c;
      s0 = hn::MulAdd(weight, whole.load(row), s0);
      s1 = hn::MulAdd(weight, whole.load(row + step), s1);
      s2 = hn::MulAdd(weight, whole.load(row + 2 * step), s2);
      s3 = hn::MulAdd(weight, whole.load(row + 3 * step), s3);
    }
    whole.store(s0, y + c), whole.store(s1, y + c + step);
    whole.store(s2, y + c + 2 * step), whole.store(s3, y + c + 3 * step);
  }
  each_vector(d - c, [&](std::size_t i, auto chunk) HWY_ATTR {
    V s = hn::Zero(f32);
    for (std::int64_t j = 0; j < n; ++j)
      s = hn::MulAdd(hn::Set(f32, p[j]), chunk.load(x[j] + c + i), s);
    chunk.store(s, y + c + i);
  });
}

// Prefetches columns [column, column + d) of the listed rows, which are far apart in memory.
template <class K>
HWY_INLINE void prefetch(std::int64_t n, std::int64_t d, const ListedRows<K>& rows) {
  for (std::int64_t j = 0; j < n; ++j)
    for (std::int64_t c = 0; c < d; c += 64 / std::int64_t{sizeof(K)}) hwy::Prefetch(rows[j] + c);
}

// All heads, with keys and values of type K.
template <class K, class T>
HWY_INLINE void attention_step_typed(std::int64_t num_heads, std::int64_t d_kv, const T* q,
                                     const StepKeys& keys, In bias, T* out, float* probs) {
  const std::int64_t n = keys.count;
  ListedRows<K> k{rows_of<K>(keys.k), keys.index, 0}, v{rows_of<K>(keys.v), keys.index, 0};
  for (std::int64_t h = 0; h < num_heads; ++h, q += d_kv, out += d_kv) {
    prefetch(n, d_kv, v);
    dot_rows(n, d_kv, q, k, probs);
    k.column += d_kv;
    if (h + 1 < num_heads) prefetch(n, d_kv, k);
    if (bias) add_row(n, bias[h] - (n - 1), probs);
    softmax_row(n, probs, probs);
    weighted_sum(n, d_kv, probs, v, out);
    v.column += d_kv;
  }
}

void attention_step(std::int64_t num_heads, std::int64_t d_kv, AnyIn q, const StepKeys& keys,
                    In bias, AnyOut out, float* scratch) {
  assert(q.dtype == out.dtype && keys.k.dtype == keys.v.dtype);
  with_rows(out, [&](auto y) HWY_ATTR {
    using T = std::remove_reference_t<decltype(*y.data)>;
    const T* const query = rows_of<T>(q).data;
    if (keys.k.dtype == DType::f32)
      attention_step_typed<float>(num_heads, d_kv, query, keys, bias, y.data, scratch);
    else
      attention_step_typed<Bf16>(num_heads, d_kv, query, keys, bias, y.data, scratch);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace switchyard::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace switchyard::simd {

HWY_EXPORT(attention);
decltype(attention) attention = dispatch<HWY_DISPATCH_TABLE(attention)>;
HWY_EXPORT(attention_backward);
decltype(attention_backward) attention_backward = dispatch<HWY_DISPATCH_TABLE(attention_backward)>;
HWY_EXPORT(attention_probs);
decltype(attention_probs) attention_probs = dispatch<HWY_DISPATCH_TABLE(attention_probs)>;
HWY_EXPORT(attention_step);
decltype(attention_step) attention_step = dispatch<HWY_DISPATCH_TABLE(attention_step)>;

std::int64_t attention_scratch(std::int64_t key_len, std::int64_t d_kv) {
  const std::int64_t stride = padded(key_len);
  return 2 * (stride * (d_kv + kQueryBlock) + window_capacity(stride));
}

std::int64_t attention_step_scratch(std::int64_t key_count) { return padded(key_count); }

}  // namespace switchyard::simd
#endif
