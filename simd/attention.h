// SPDX-License-Identifier: Apache-2.0
// T5's attention for one head of one sequence: no scaling by 1 / sqrt(d_kv), and an additive bias
// per relative position. Vaswani et al. 2017 (arXiv 1706.03762) eq. 1, Raffel et al. 2020
// (1910.10683).
//   scores = q . k^T + bias,  probs = softmax(scores),  out = dropout(probs) . v
// Pointers are to the head's first column in the sequence's first row; strides are those of full
// rows.
#pragma once

#include "simd/dropout.h"
#include "simd/rows_view.h"

namespace switchyard::simd {

struct AttentionHead {
  std::int64_t query_len = 0;
  std::int64_t key_len = 0;
  std::int64_t d_kv = 0;
  bool causal = false;  // key position <= query position
  // bias[key_pos - query_pos], for -query_len + 1 to key_len - 1; may be null.
  const float* bias = nullptr;
  // Keyed by element (head << 16) + key position in the query's row; the tags are the queries'.
  Dropout drop;
  std::uint32_t head = 0;
};

// The scratch that a call needs, in floats; fastest if 64-byte aligned.
std::int64_t attention_scratch(std::int64_t key_len, std::int64_t d_kv);

// out [query_len, d_kv]; logsumexp [query_len, 1] of the scores, for backward; may be empty.
extern void (*const attention)(const AttentionHead& head, In q, In k, In v, Out out, Out logsumexp,
                               float* scratch);

// Recomputes the probabilities. Overwrites dq, dk and dv, with 0 in rows that attend to nothing or
// are not attended to; adds to grad_bias[key_pos - query_pos], laid out like head.bias, unless it
// is null.
extern void (*const attention_backward)(const AttentionHead& head, In q, In k, In v, In out,
                                        In logsumexp, In grad_out, Out dq, Out dk, Out dv,
                                        float* grad_bias, float* scratch);

// probs [query_len, key_len] before dropout, 0 for masked keys.
extern void (*const attention_probs)(const AttentionHead& head, In q, In k, In logsumexp,
                                     Out probs);

// The keys and values that one row of a decoding step attends to: the rows of k and v listed in
// index[0], ..., index[count - 1].
struct StepKeys {
  AnyIn k, v;  // [pool rows, num_heads * d_kv]
  const std::int32_t* index = nullptr;
  std::int64_t count = 0;
};
// One decoding step of one row, all heads: q, out [1, num_heads * d_kv], of one type, keys and
// values of one type; bias [num_heads, ...], read at bias[h][key_pos - (keys.count - 1)], so
// bias.data points to relative position 0 of head 0; may be empty.
extern void (*const attention_step)(std::int64_t num_heads, std::int64_t d_kv, AnyIn q,
                                    const StepKeys& keys, In bias, AnyOut out, float* scratch);
std::int64_t attention_step_scratch(std::int64_t key_count);

}  // namespace switchyard::simd
