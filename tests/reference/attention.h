// SPDX-License-Identifier: Apache-2.0
// The reference's attention, T5's (arXiv 1910.10683): no scaling by 1 / sqrt(d_kv), an additive
// bias per head and relative position.
#pragma once

#include <algorithm>

#include "tests/reference/matrix.h"

namespace switchyard::reference {

// Like AttentionCall in backend.h; a bias without rows means no bias.
template <class T>
struct AttentionSpec {
  std::int64_t num_heads = 0;
  std::int64_t d_kv = 0;
  bool causal = false;
  Matrix<T> bias;
  std::int64_t center = 0;
  Dropout drop;
};

// bias [H, n]: bias[h][i] = table[bucket[i]][h], table [num_buckets, H]
template <class T>
Matrix<T> expand_bias(const Matrix<T>& table, const IntMatrix& bucket) {
  Matrix<T> bias(table.cols, bucket.cols);
  for (std::int64_t h = 0; h < bias.rows; ++h)
    for (std::int64_t i = 0; i < bias.cols; ++i) bias(h, i) = table(bucket[i], h);
  return bias;
}
// The backward of expand_bias(): adds to grad_table.
template <class T>
void expand_bias_backward(const Matrix<T>& grad_bias, const IntMatrix& bucket,
                          Matrix<T>& grad_table) {
  for (std::int64_t h = 0; h < grad_bias.rows; ++h)
    for (std::int64_t i = 0; i < grad_bias.cols; ++i) grad_table(bucket[i], h) += grad_bias(h, i);
}

// One query, at `position` of its sequence, which attends to rows [first_key, first_key + num_keys)
// of k, or, if causal, only to those up to its own position.
template <class T>
struct Query {
  const AttentionSpec<T>& spec;
  std::int64_t row, position, first_key, num_keys, head;

  std::int64_t visible() const { return spec.causal ? std::min(num_keys, position + 1) : num_keys; }

  // [1, visible()]
  Matrix<T> scores(const Matrix<T>& q, const Matrix<T>& k) const {
    Matrix<T> s(1, visible());
    for (std::int64_t j = 0; j < s.cols; ++j) {
      for (std::int64_t c = head * spec.d_kv; c < (head + 1) * spec.d_kv; ++c)
        s[j] += q(row, c) * k(first_key + j, c);
      if (spec.bias.rows > 0) s[j] += spec.bias(head, bias_column(j));
    }
    return s;
  }
  std::int64_t bias_column(std::int64_t key_position) const {
    return key_position - position + spec.center;
  }
  double dropped(const IntMatrix& tags, std::int64_t key_position) const {
    return drop_factor(spec.drop, tags, row, (head << 16) + key_position);
  }
};

// Calls f(query) for every query and head of every sequence.
template <class T, class F>
void for_each_query(const AttentionSpec<T>& spec, const Sequences& queries, const Sequences& keys,
                    F&& f) {
  for (std::int64_t b = 0; b < queries.batch(); ++b)
    for (std::int64_t row = queries.begin(b); row < queries.end(b); ++row)
      for (std::int64_t h = 0; h < spec.num_heads; ++h)
        f(Query<T>{spec, row, row - queries.begin(b), keys.begin(b), keys.end(b) - keys.begin(b),
                   h});
}

// out[row] of this head = sum_j dropout(p_j) * v[j]; returns the logsumexp of the scores.
template <class T>
T attend(const Query<T>& query, const IntMatrix& tags, const Matrix<T>& q, const Matrix<T>& k,
         const Matrix<T>& v, Matrix<T>& out) {
  const Matrix<T> s = query.scores(q, k);
  const T logsumexp = log_sum_exp(s, 0);
  for (std::int64_t j = 0; j < s.cols; ++j) {
    const T p = std::exp(s[j] - logsumexp) * T(query.dropped(tags, j));
    for (std::int64_t i = 0; i < query.spec.d_kv; ++i) {
      const std::int64_t c = query.head * query.spec.d_kv + i;
      out(query.row, c) += p * v(query.first_key + j, c);
    }
  }
  return logsumexp;
}

// out [Tq, inner], logsumexp [Tq, H]
template <class T>
Matrix<T> attention(const AttentionSpec<T>& spec, const Sequences& queries, const Sequences& keys,
                    const Matrix<T>& q, const Matrix<T>& k, const Matrix<T>& v,
                    Matrix<T>& logsumexp) {
  Matrix<T> out(q.rows, q.cols);
  logsumexp = Matrix<T>(q.rows, spec.num_heads);
  for_each_query(spec, queries, keys, [&](const Query<T>& query) {
    logsumexp(query.row, query.head) = attend(query, queries.tags, q, k, v, out);
  });
  return out;
}

template <class T>
struct AttentionGrads {
  Matrix<T> dq, dk, dv, grad_bias;
};

template <class T>
AttentionGrads<T> attention_backward(const AttentionSpec<T>& spec, const Sequences& queries,
                                     const Sequences& keys, const Matrix<T>& q, const Matrix<T>& k,
                                     const Matrix<T>& v, const Matrix<T>& grad_out) {
  AttentionGrads<T> g{Matrix<T>(q.rows, q.cols), Matrix<T>(k.rows, k.cols),
                      Matrix<T>(v.rows, v.cols), Matrix<T>(spec.bias.rows, spec.bias.cols)};
  for_each_query(spec, queries, keys, [&](const Query<T>& query) {
    const Matrix<T> s = query.scores(q, k);
    const T logsumexp = log_sum_exp(s, 0);
    const std::int64_t begin = query.head * spec.d_kv, end = begin + spec.d_kv;
    Matrix<T> p(1, s.cols), dp(1, s.cols);
    T mean = T(0);  // sum_j p_j dp_j, for the softmax's backward
    for (std::int64_t j = 0; j < s.cols; ++j) {
      const T keep = T(query.dropped(queries.tags, j));
      p[j] = std::exp(s[j] - logsumexp);
      for (std::int64_t c = begin; c < end; ++c) {
        dp[j] += keep * grad_out(query.row, c) * v(query.first_key + j, c);
        g.dv(query.first_key + j, c) += keep * p[j] * grad_out(query.row, c);
      }
      mean += p[j] * dp[j];
    }
    for (std::int64_t j = 0; j < s.cols; ++j) {
      const T ds = p[j] * (dp[j] - mean);
      for (std::int64_t c = begin; c < end; ++c) {
        g.dq(query.row, c) += ds * k(query.first_key + j, c);
        g.dk(query.first_key + j, c) += ds * q(query.row, c);
      }
      if (spec.bias.rows > 0) g.grad_bias(query.head, query.bias_column(j)) += ds;
    }
  });
  return g;
}

// [batch * H * longest query sequence, longest key sequence], before dropout; 0 outside the
// sequences.
template <class T>
Matrix<T> attention_probs(const AttentionSpec<T>& spec, const Sequences& queries,
                          const Sequences& keys, const Matrix<T>& q, const Matrix<T>& k) {
  std::int64_t query_len = 0, key_len = 0;
  for (std::int64_t b = 0; b < queries.batch(); ++b) {
    query_len = std::max(query_len, queries.end(b) - queries.begin(b));
    key_len = std::max(key_len, keys.end(b) - keys.begin(b));
  }
  Matrix<T> probs(queries.batch() * spec.num_heads * query_len, key_len);
  std::int64_t b = 0;
  for_each_query(spec, queries, keys, [&](const Query<T>& query) {
    while (query.row >= queries.end(b)) ++b;
    const Matrix<T> s = query.scores(q, k);
    const T logsumexp = log_sum_exp(s, 0);
    const std::int64_t row = (b * spec.num_heads + query.head) * query_len + query.position;
    for (std::int64_t j = 0; j < s.cols; ++j) probs(row, j) = std::exp(s[j] - logsumexp);
  });
  return probs;
}

// Row r of a decoding step attends to rows index[first[r]], ..., index[first[r] + count[r] - 1] of
// k and v.
struct KeyLists {
  IntMatrix index, first, count;
};

// Row r is at position count[r] - 1.
template <class T>
Matrix<T> attention_step(const AttentionSpec<T>& spec, const Matrix<T>& q, const Matrix<T>& k,
                         const Matrix<T>& v, const KeyLists& lists) {
  Matrix<T> out(q.rows, q.cols);
  const IntMatrix tags(q.rows, 2);  // unused: a step has no dropout
  for (std::int64_t r = 0; r < q.rows; ++r) {
    const std::int64_t n = lists.count[r];
    Matrix<T> keys(n, k.cols), values(n, v.cols);
    for (std::int64_t j = 0; j < n; ++j) {
      const std::int64_t row = lists.index[lists.first[r] + j];
      for (std::int64_t c = 0; c < k.cols; ++c) {
        keys(j, c) = k(row, c);
        values(j, c) = v(row, c);
      }
    }
    for (std::int64_t h = 0; h < spec.num_heads; ++h)
      attend(Query<T>{spec, r, n - 1, 0, n, h}, tags, q, keys, values, out);
  }
  return out;
}

}  // namespace switchyard::reference
