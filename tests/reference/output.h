// SPDX-License-Identifier: Apache-2.0
// The reference's cross-entropy over the vocabulary, top k of beam search, and optimizers.
#pragma once

#include <algorithm>

#include "tests/reference/layers.h"

namespace switchyard::reference {

template <class T>
struct CrossEntropy {
  T loss, nll;
};

// For one token: nll, and (1 - smoothing) * nll + smoothing * mean over V of -log p (Szegedy et al.
// 2016).
template <class T>
CrossEntropy<T> cross_entropy(const Matrix<T>& logits, std::int64_t t, std::int32_t label,
                              double smoothing) {
  const T logsumexp = log_sum_exp(logits, t);
  T mean = T(0);
  for (std::int64_t v = 0; v < logits.cols; ++v)
    mean += (logsumexp - logits(t, v)) / T(static_cast<double>(logits.cols));
  const T nll = logsumexp - logits(t, label);
  return {T(1 - smoothing) * nll + T(smoothing) * mean, nll};
}

// The gradient w.r.t. the logits [T, V]: softmax - (1 - smoothing) * one-hot - smoothing / V.
template <class T>
Matrix<T> cross_entropy_backward(const Matrix<T>& logits, const IntMatrix& labels,
                                 double smoothing) {
  Matrix<T> grad(logits.rows, logits.cols);
  for (std::int64_t t = 0; t < logits.rows; ++t) {
    const T logsumexp = log_sum_exp(logits, t);
    for (std::int64_t v = 0; v < logits.cols; ++v)
      grad(t, v) = std::exp(logits(t, v) - logsumexp) -
                   T(smoothing / static_cast<double>(logits.cols)) -
                   T(v == labels[t] ? 1 - smoothing : 0);
  }
  return grad;
}

struct Candidate {
  double value;
  std::int64_t index;
};

// The k best of score[r] + log_softmax(logits[r])[v] over rows [first, first + beams), best first,
// ties by index (r - first) * V + v.
template <class T>
std::vector<Candidate> top_k(const Matrix<T>& logits, const Matrix<T>& score, std::int64_t first,
                             std::int64_t beams, std::int64_t k, std::int64_t suppressed) {
  std::vector<Candidate> all;
  for (std::int64_t r = 0; r < beams; ++r) {
    const T logsumexp = log_sum_exp(logits, first + r);
    for (std::int64_t v = 0; v < logits.cols; ++v)
      if (v != suppressed)
        all.push_back(
            {real_part(score[first + r] + logits(first + r, v) - logsumexp), r * logits.cols + v});
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const Candidate& a, const Candidate& b) { return a.value > b.value; });
  all.resize(static_cast<std::size_t>(k));
  return all;
}

template <class T>
T sum_of_squares(const Matrix<T>& x) {
  T sum = T(0);
  for (const T& value : x.values) sum += value * value;
  return sum;
}

// See decide_update() in backend.h.
inline Matrix<double> decide_update(const UpdateRule& rule, const Matrix<double>& squares,
                                    const Matrix<double>& losses) {
  double square = 0, loss = 0;
  for (const double x : squares.values) square += x;
  for (const double x : losses.values) loss += x / static_cast<double>(rule.target_tokens);
  const double norm = std::sqrt(square);
  const bool finite = std::isfinite(static_cast<float>(norm)) && std::isfinite(loss);
  const bool dead = norm == 0 && loss > rule.small_loss;
  const double scale = rule.clip_norm > 0 && norm > rule.clip_norm ? rule.clip_norm / norm : 1;
  return {1, kDecisionSize, {norm, scale, finite && !dead ? 1.0 : 0.0}};
}

// One element of AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101), bias-corrected; the gradient
// has already been clipped.
template <class T>
void adamw(const AdamW& o, T grad, T& m, T& v, T& param) {
  const double step = static_cast<double>(o.step);
  const double beta1 = o.beta1, beta2 = o.beta2;
  m = T(beta1) * m + T(1 - beta1) * grad;
  v = T(beta2) * v + T(1 - beta2) * grad * grad;
  const T m_hat = m / T(1 - std::pow(beta1, step));
  const T v_hat = v / T(1 - std::pow(beta2, step));
  param -= T(o.lr) * (T(o.weight_decay) * param + m_hat / (std::sqrt(v_hat) + T(o.eps)));
}

// Adafactor for one parameter [R, C], with row [1, R] and col [1, C]; a vector [1, C] has no row.
// The gradient has already been clipped.
template <class T>
void adafactor(const Adafactor& o, Matrix<T> grad, Matrix<T>& row, Matrix<T>& col,
               Matrix<T>& param) {
  const double take = std::pow(static_cast<double>(o.step), double{o.decay_rate});
  const auto square = [&](std::int64_t i, std::int64_t j) {
    return grad(i, j) * grad(i, j) + T(o.eps);
  };
  T row_mean = T(0);
  for (std::int64_t i = 0; i < row.cols; ++i) {
    T sum = T(0);
    for (std::int64_t j = 0; j < grad.cols; ++j) sum += square(i, j);
    row[i] = T(1 - take) * row[i] + T(take / static_cast<double>(grad.cols)) * sum;
    row_mean += row[i] / T(static_cast<double>(row.cols));
  }
  for (std::int64_t j = 0; j < grad.cols; ++j) {
    T sum = T(0);
    for (std::int64_t i = 0; i < grad.rows; ++i) sum += square(i, j);
    col[j] = T(1 - take) * col[j] + T(take / static_cast<double>(grad.rows)) * sum;
  }
  T squares = T(0);
  for (std::int64_t i = 0; i < grad.rows; ++i)
    for (std::int64_t j = 0; j < grad.cols; ++j) {
      const T second_moment = row.cols > 0 ? row[i] / row_mean * col[j] : col[j];
      grad(i, j) /= std::sqrt(second_moment);
      squares += grad(i, j) * grad(i, j);
    }
  const T rms = std::sqrt(squares / T(static_cast<double>(grad.values.size())));
  const T rate = T(o.lr) / std::max(T(1), rms / T(o.clip_threshold));
  for (std::size_t i = 0; i < grad.values.size(); ++i) param.values[i] -= rate * grad.values[i];
}

}  // namespace switchyard::reference
