// SPDX-License-Identifier: Apache-2.0
// The reference's matmuls, embedding, dropout, norm and activations, each backward next to its
// forward. Results are returned; gradients that backend.h accumulates are added to an argument.
#pragma once

#include "tests/reference/matrix.h"

namespace switchyard::reference {

// y [T, out] = x [T, in] . w^T, w [out, in]
template <class T>
Matrix<T> linear(const Matrix<T>& x, const Matrix<T>& w) {
  Matrix<T> y(x.rows, w.rows);
  for (std::int64_t t = 0; t < x.rows; ++t)
    for (std::int64_t o = 0; o < w.rows; ++o) {
      T sum = T(0);
      for (std::int64_t i = 0; i < w.cols; ++i) sum += x(t, i) * w(o, i);
      y(t, o) = sum;
    }
  return y;
}

// dy . w
template <class T>
Matrix<T> linear_backward_input(const Matrix<T>& dy, const Matrix<T>& w) {
  Matrix<T> dx(dy.rows, w.cols);
  for (std::int64_t t = 0; t < dy.rows; ++t)
    for (std::int64_t o = 0; o < w.rows; ++o)
      for (std::int64_t i = 0; i < w.cols; ++i) dx(t, i) += dy(t, o) * w(o, i);
  return dx;
}

// dw += dy^T . x
template <class T>
void linear_backward_weight(const Matrix<T>& x, const Matrix<T>& dy, Matrix<T>& dw) {
  for (std::int64_t t = 0; t < dy.rows; ++t)
    for (std::int64_t o = 0; o < dy.cols; ++o)
      for (std::int64_t i = 0; i < x.cols; ++i) dw(o, i) += dy(t, o) * x(t, i);
}

// y[t] += bias [1, out]
template <class T>
void add_bias(const Matrix<T>& bias, Matrix<T>& y) {
  for (std::int64_t t = 0; t < y.rows; ++t)
    for (std::int64_t c = 0; c < y.cols; ++c) y(t, c) += bias[c];
}
// grad_bias += sum over t of dy[t]
template <class T>
void bias_backward(const Matrix<T>& dy, Matrix<T>& grad_bias) {
  for (std::int64_t t = 0; t < dy.rows; ++t)
    for (std::int64_t c = 0; c < dy.cols; ++c) grad_bias[c] += dy(t, c);
}

// y[t] = table[ids[t]]
template <class T>
Matrix<T> embed(const Matrix<T>& table, const IntMatrix& ids) {
  Matrix<T> y(ids.rows, table.cols);
  for (std::int64_t t = 0; t < ids.rows; ++t)
    for (std::int64_t c = 0; c < table.cols; ++c) y(t, c) = table(ids[t], c);
  return y;
}
// grad_table[ids[t]] += dy[t]
template <class T>
void embed_backward(const IntMatrix& ids, const Matrix<T>& dy, Matrix<T>& grad_table) {
  for (std::int64_t t = 0; t < ids.rows; ++t)
    for (std::int64_t c = 0; c < grad_table.cols; ++c) grad_table(ids[t], c) += dy(t, c);
}

// Also its own backward.
template <class T>
Matrix<T> dropout(Dropout drop, const IntMatrix& tags, Matrix<T> x) {
  for (std::int64_t t = 0; t < x.rows; ++t)
    for (std::int64_t c = 0; c < x.cols; ++c) x(t, c) *= T(drop_factor(drop, tags, t, c));
  return x;
}

// y = weight * x * inv_rms; inv_rms [T, 1] = 1 / sqrt(mean(x^2) + eps)
template <class T>
Matrix<T> rms_norm(const Matrix<T>& x, const Matrix<T>& weight, double eps, Matrix<T>& inv_rms) {
  Matrix<T> y(x.rows, x.cols);
  inv_rms = Matrix<T>(x.rows, 1);
  for (std::int64_t t = 0; t < x.rows; ++t) {
    T sum = T(0);
    for (std::int64_t c = 0; c < x.cols; ++c) sum += x(t, c) * x(t, c);
    inv_rms[t] = T(1) / std::sqrt(sum / T(static_cast<double>(x.cols)) + T(eps));
    for (std::int64_t c = 0; c < x.cols; ++c) y(t, c) = weight[c] * x(t, c) * inv_rms[t];
  }
  return y;
}
// With n = x * inv_rms: dx += inv_rms * (weight * dy - n * mean(weight * dy * n)); adds to
// grad_weight.
template <class T>
void rms_norm_backward(const Matrix<T>& x, const Matrix<T>& weight, const Matrix<T>& inv_rms,
                       const Matrix<T>& dy, Matrix<T>& dx, Matrix<T>& grad_weight) {
  for (std::int64_t t = 0; t < x.rows; ++t) {
    T mean = T(0);
    for (std::int64_t c = 0; c < x.cols; ++c) mean += weight[c] * dy(t, c) * x(t, c) * inv_rms[t];
    mean /= T(static_cast<double>(x.cols));
    for (std::int64_t c = 0; c < x.cols; ++c) {
      const T n = x(t, c) * inv_rms[t];
      dx(t, c) += inv_rms[t] * (weight[c] * dy(t, c) - n * mean);
      grad_weight[c] += dy(t, c) * n;
    }
  }
}

inline constexpr double kGeluNewScale = 0.7978845608028654;  // sqrt(2 / pi)
inline constexpr double kGeluNewCubic = 0.044715;

template <class T>
T activate(Activation act, T x) {
  switch (act) {
    case Activation::relu:
      return real_part(x) > 0 ? x : T(0);
    case Activation::gelu:
      return T(0.5) * x * (T(1) + error_function(x * T(std::sqrt(0.5))));
    case Activation::gelu_new:
      return T(0.5) * x * (T(1) + std::tanh(T(kGeluNewScale) * (x + T(kGeluNewCubic) * x * x * x)));
    case Activation::silu:
      return x / (T(1) + std::exp(-x));
  }
  return T(0);
}
template <class T>
T activate_slope(Activation act, T x) {
  switch (act) {
    case Activation::relu:
      return real_part(x) > 0 ? T(1) : T(0);
    case Activation::gelu:  // Phi(x) + x * phi(x)
      return T(0.5) * (T(1) + error_function(x * T(std::sqrt(0.5)))) +
             x * std::exp(T(-0.5) * x * x) / T(std::sqrt(2 * 3.141592653589793));
    case Activation::gelu_new: {
      const T t = std::tanh(T(kGeluNewScale) * (x + T(kGeluNewCubic) * x * x * x));
      return T(0.5) * (T(1) + t) +
             T(0.5) * x * (T(1) - t * t) * T(kGeluNewScale) * (T(1) + T(3 * kGeluNewCubic) * x * x);
    }
    case Activation::silu: {
      const T s = T(1) / (T(1) + std::exp(-x));
      return s + x * s * (T(1) - s);
    }
  }
  return T(0);
}

// dropout(act(hidden)), times gate unless gate has no rows.
template <class T>
Matrix<T> activation(Activation act, const Matrix<T>& hidden, const Matrix<T>& gate, Dropout drop,
                     const IntMatrix& tags) {
  Matrix<T> y(hidden.rows, hidden.cols);
  for (std::int64_t t = 0; t < y.rows; ++t)
    for (std::int64_t c = 0; c < y.cols; ++c) {
      y(t, c) = activate(act, hidden(t, c)) * T(drop_factor(drop, tags, t, c));
      if (gate.rows > 0) y(t, c) *= gate(t, c);
    }
  return y;
}
template <class T>
void activation_backward(Activation act, const Matrix<T>& hidden, const Matrix<T>& gate,
                         Dropout drop, const IntMatrix& tags, const Matrix<T>& dy,
                         Matrix<T>& grad_hidden, Matrix<T>& grad_gate) {
  grad_hidden = Matrix<T>(hidden.rows, hidden.cols);
  grad_gate = Matrix<T>(gate.rows, gate.cols);
  for (std::int64_t t = 0; t < dy.rows; ++t)
    for (std::int64_t c = 0; c < dy.cols; ++c) {
      const T passed = dy(t, c) * T(drop_factor(drop, tags, t, c));
      grad_hidden(t, c) = passed * activate_slope(act, hidden(t, c));
      if (gate.rows > 0) {
        grad_hidden(t, c) *= gate(t, c);
        grad_gate(t, c) = passed * activate(act, hidden(t, c));
      }
    }
}

}  // namespace switchyard::reference
