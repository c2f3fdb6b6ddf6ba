// SPDX-License-Identifier: Apache-2.0
// The reference's router and experts. Source: Fedus et al., arXiv 2101.03961, eq. 1-6; z-loss: Zoph
// et al., arXiv 2202.08906, eq. 5. Dimensions as in backend.h.
#pragma once

#include "tests/reference/layers.h"

namespace switchyard::reference {

// y = x * U(1 - eps, 1 + eps); also its own backward.
template <class T>
Matrix<T> jitter(double eps, std::uint64_t stream, const IntMatrix& tags, Matrix<T> x) {
  for (std::int64_t t = 0; t < x.rows; ++t)
    for (std::int64_t c = 0; c < x.cols; ++c)
      x(t, c) *= T(1 - eps + 2 * eps * uniform_f32(random_of(stream, tags, t, c)));
  return x;
}

// Like Routing in backend.h.
template <class T>
struct Routes {
  Matrix<T> probs, logsumexp;
  IntMatrix expert_index;
  Matrix<T> combine_weight;
  IntMatrix slot_of_token, token_of_slot, expert_offsets, expert_count;
};

template <class T>
Routes<T> route(const Matrix<T>& logits, Capacity capacity, const Sequences& tokens) {
  const std::int64_t num_tokens = logits.rows, num_experts = logits.cols;
  Routes<T> r;
  r.probs = Matrix<T>(num_tokens, num_experts);
  r.logsumexp = r.combine_weight = Matrix<T>(num_tokens, 1);
  r.expert_index = IntMatrix(num_tokens, 1);
  r.slot_of_token = r.token_of_slot = IntMatrix(num_tokens, 1, -1);
  r.expert_offsets = IntMatrix(1, num_experts + 1);
  r.expert_count = IntMatrix(1, num_experts);
  for (std::int64_t t = 0; t < num_tokens; ++t) {
    r.logsumexp[t] = log_sum_exp(logits, t);
    for (std::int64_t e = 0; e < num_experts; ++e)
      r.probs(t, e) = std::exp(logits(t, e) - r.logsumexp[t]);
    r.expert_index[t] = static_cast<std::int32_t>(argmax(r.probs, t));
    r.combine_weight[t] = r.probs(t, r.expert_index[t]);
    ++r.expert_count[r.expert_index[t]];
  }

  // An expert accepts the first `capacity` tokens that chose it, in the batch or in each sequence.
  std::vector<bool> kept(static_cast<std::size_t>(num_tokens),
                         capacity.rule == Capacity::kUnlimited);
  if (capacity.rule != Capacity::kUnlimited) {
    IntMatrix seen(1, num_experts);
    for (std::int64_t b = 0; b < tokens.batch(); ++b) {
      if (capacity.rule == Capacity::kPerSequence) seen = IntMatrix(1, num_experts);
      for (std::int64_t t = tokens.begin(b); t < tokens.end(b); ++t)
        kept[static_cast<std::size_t>(t)] = seen[r.expert_index[t]]++ < capacity.tokens;
    }
  }

  // Sorts the kept tokens by expert, in token order within each expert.
  std::int32_t slot = 0;
  for (std::int64_t e = 0; e < num_experts; ++e) {
    r.expert_offsets[e] = slot;
    for (std::int64_t t = 0; t < num_tokens; ++t)
      if (r.expert_index[t] == e && kept[static_cast<std::size_t>(t)]) {
        r.slot_of_token[t] = slot;
        r.token_of_slot[slot++] = static_cast<std::int32_t>(t);
      }
  }
  r.expert_offsets[num_experts] = slot;
  return r;
}

template <class T>
struct RouterLosses {
  T balance, z;
};

// f_e comes from counts, so it is a constant under the complex step, as in the paper.
template <class T>
RouterLosses<T> router_losses(const Routes<T>& r) {
  const std::int64_t num_experts = r.probs.cols;
  const T num_tokens = T(static_cast<double>(r.probs.rows));
  RouterLosses<T> losses{T(0), T(0)};
  for (std::int64_t e = 0; e < num_experts; ++e) {
    T sum = T(0);
    for (std::int64_t t = 0; t < r.probs.rows; ++t) sum += r.probs(t, e);
    losses.balance += T(static_cast<double>(r.expert_count[e])) / num_tokens * (sum / num_tokens);
  }
  losses.balance *= T(static_cast<double>(num_experts));
  for (std::int64_t t = 0; t < r.probs.rows; ++t)
    losses.z += r.logsumexp[t] * r.logsumexp[t] / num_tokens;
  return losses;
}

// Gradient w.r.t. the logits of aux_coef * balance + z_coef * z + grad_combine_weight .
// combine_weight.
template <class T>
Matrix<T> router_backward(const Routes<T>& r, const Matrix<T>& grad_combine_weight, double aux_coef,
                          double z_coef) {
  const std::int64_t num_tokens = r.probs.rows, num_experts = r.probs.cols;
  const double n = static_cast<double>(num_tokens);
  Matrix<T> grad_logits(num_tokens, num_experts);
  for (std::int64_t t = 0; t < num_tokens; ++t) {
    Matrix<T> grad_probs(1, num_experts);
    T mean = T(0);  // of grad_probs, weighted by probs, for the softmax's backward
    for (std::int64_t e = 0; e < num_experts; ++e) {
      const double f = r.expert_count[e] / n;
      grad_probs[e] = T(aux_coef * static_cast<double>(num_experts) * f / n);
      if (e == r.expert_index[t]) grad_probs[e] += grad_combine_weight[t];
      mean += r.probs(t, e) * grad_probs[e];
    }
    for (std::int64_t e = 0; e < num_experts; ++e)
      grad_logits(t, e) =
          r.probs(t, e) * (grad_probs[e] - mean + T(2 * z_coef / n) * r.logsumexp[t]);
  }
  return grad_logits;
}

// y[s] = x[index[s]], or 0 if index[s] is -1
template <class V>
Matrix<V> gather_rows(const Matrix<V>& x, const IntMatrix& index) {
  Matrix<V> y(index.rows, x.cols);
  for (std::int64_t s = 0; s < y.rows; ++s)
    for (std::int64_t c = 0; c < x.cols; ++c)
      if (index[s] >= 0) y(s, c) = x(index[s], c);
  return y;
}
// y[t] += x[index[t]] unless index[t] is -1
template <class T>
void gather_rows_add(const Matrix<T>& x, const IntMatrix& index, Matrix<T>& y) {
  for (std::int64_t t = 0; t < y.rows; ++t)
    for (std::int64_t c = 0; c < y.cols; ++c)
      if (index[t] >= 0) y(t, c) += x(index[t], c);
}

// y[t] = combine_weight[t] * expert_out[slot_of_token[t]], or 0 for a dropped token
template <class T>
Matrix<T> combine_rows(const Matrix<T>& expert_out, const Routes<T>& r) {
  Matrix<T> y = gather_rows(expert_out, r.slot_of_token);
  for (std::int64_t t = 0; t < y.rows; ++t)
    for (std::int64_t c = 0; c < y.cols; ++c) y(t, c) *= r.combine_weight[t];
  return y;
}
template <class T>
void combine_rows_backward(const Matrix<T>& dy, const Matrix<T>& expert_out, const Routes<T>& r,
                           Matrix<T>& grad_out, Matrix<T>& grad_combine_weight) {
  grad_out = Matrix<T>(r.token_of_slot.rows, dy.cols);
  grad_combine_weight = Matrix<T>(dy.rows, 1);
  for (std::int64_t t = 0; t < dy.rows; ++t) {
    const std::int64_t slot = r.slot_of_token[t];
    if (slot < 0) continue;
    for (std::int64_t c = 0; c < dy.cols; ++c) {
      grad_out(slot, c) = r.combine_weight[t] * dy(t, c);
      grad_combine_weight[t] += dy(t, c) * expert_out(slot, c);
    }
  }
}

// Weights of a feed-forward; wi_1 has no rows unless it is gated.
template <class T>
struct FeedForward {
  Matrix<T> wi, wi_1, wo;
};
template <class T>
struct FeedForwardSaved {
  Matrix<T> hidden, gate;
};

// wo(dropout(act(wi x))) or, if gated, wo(dropout(act(wi x) * (wi_1 x))): an expert or a dense
// layer.
template <class T>
Matrix<T> feed_forward(const FeedForward<T>& w, Activation act, Dropout drop, const IntMatrix& tags,
                       const Matrix<T>& x, FeedForwardSaved<T>& saved) {
  saved.hidden = linear(x, w.wi);
  if (w.wi_1.rows > 0) saved.gate = linear(x, w.wi_1);
  return linear(activation(act, saved.hidden, saved.gate, drop, tags), w.wo);
}
// Returns dx and adds to dw.
template <class T>
Matrix<T> feed_forward_backward(const FeedForward<T>& w, Activation act, Dropout drop,
                                const IntMatrix& tags, const Matrix<T>& x,
                                const FeedForwardSaved<T>& saved, const Matrix<T>& dy,
                                FeedForward<T>& dw) {
  Matrix<T> grad_hidden, grad_gate;
  activation_backward(act, saved.hidden, saved.gate, drop, tags, linear_backward_input(dy, w.wo),
                      grad_hidden, grad_gate);
  linear_backward_weight(activation(act, saved.hidden, saved.gate, drop, tags), dy, dw.wo);
  linear_backward_weight(x, grad_hidden, dw.wi);
  Matrix<T> dx = linear_backward_input(grad_hidden, w.wi);
  if (w.wi_1.rows > 0) {
    linear_backward_weight(x, grad_gate, dw.wi_1);
    const Matrix<T> dx_gate = linear_backward_input(grad_gate, w.wi_1);
    for (std::size_t i = 0; i < dx.values.size(); ++i) dx.values[i] += dx_gate.values[i];
  }
  return dx;
}

}  // namespace switchyard::reference
