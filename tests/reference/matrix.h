// SPDX-License-Identifier: Apache-2.0
// Building blocks of the scalar reference: a plain matrix, and math on a value type T that is
// float, double or std::complex<double>. Decisions (comparisons, argmax, relu) use the real part,
// so if one input has an imaginary step of 1e-50, the imaginary part of a result divided by the
// step is the exact derivative (Squire & Trapp 1998, the complex step): no difference is taken, so
// nothing cancels and rounding is the only error.
#pragma once

#include <cmath>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "src/backend/backend.h"
#include "src/core/rng.h"

namespace switchyard::reference {

// [rows, cols], row-major.
template <class T>
struct Matrix {
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::vector<T> values;

  Matrix() = default;
  Matrix(std::int64_t r, std::int64_t c, T value = T(0))
      : rows(r), cols(c), values(static_cast<std::size_t>(r * c), value) {}
  Matrix(std::int64_t r, std::int64_t c, std::vector<T> v)
      : rows(r), cols(c), values(std::move(v)) {}

  T& operator()(std::int64_t r, std::int64_t c) {
    return values[static_cast<std::size_t>(r * cols + c)];
  }
  const T& operator()(std::int64_t r, std::int64_t c) const {
    return values[static_cast<std::size_t>(r * cols + c)];
  }
  // For vectors, which are matrices of one row or one column.
  T& operator[](std::int64_t i) { return values[static_cast<std::size_t>(i)]; }
  const T& operator[](std::int64_t i) const { return values[static_cast<std::size_t>(i)]; }
};
using IntMatrix = Matrix<std::int32_t>;

inline double real_part(float x) { return x; }
inline double real_part(double x) { return x; }
inline double real_part(const std::complex<double>& x) { return x.real(); }

template <class T>
T error_function(T x) {
  return std::erf(x);
}
// First order in the imaginary part, which is exact for a step of 1e-50.
inline std::complex<double> error_function(std::complex<double> x) {
  const double slope = 2.0 / std::sqrt(3.141592653589793) * std::exp(-x.real() * x.real());
  return {std::erf(x.real()), slope * x.imag()};
}

// Concatenated sequences: sequence b has rows [offsets[b], offsets[b + 1]).
struct Sequences {
  std::vector<std::int32_t> offsets = {0};
  IntMatrix tags;  // [tokens, 2] sentence and position; may be empty without dropout and jitter

  std::int64_t batch() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
  std::int64_t begin(std::int64_t b) const { return offsets[static_cast<std::size_t>(b)]; }
  std::int64_t end(std::int64_t b) const { return offsets[static_cast<std::size_t>(b + 1)]; }
  std::int64_t tokens() const { return offsets.back(); }
};

// The random number of element `i` of token `t` (core/rng.h).
inline std::uint32_t random_of(std::uint64_t stream, const IntMatrix& tags, std::int64_t t,
                               std::int64_t i) {
  const std::uint64_t key = row_key(stream, static_cast<std::uint32_t>(tags(t, 0)),
                                    static_cast<std::uint32_t>(tags(t, 1)));
  return random_u32(key, static_cast<std::uint32_t>(i));
}

// The factor that dropout applies to element `i` of token `t`: 0 or 1 / (1 - rate).
inline double drop_factor(Dropout drop, const IntMatrix& tags, std::int64_t t, std::int64_t i) {
  if (drop.rate == 0) return 1;
  const bool dropped = random_of(drop.stream, tags, t, i) < drop_threshold(drop.rate);
  return dropped ? 0 : 1 / (1 - static_cast<double>(drop.rate));
}

// log(sum_c exp(x(r, c))) without overflow.
template <class T>
T log_sum_exp(const Matrix<T>& x, std::int64_t r) {
  double largest = real_part(x(r, 0));
  for (std::int64_t c = 1; c < x.cols; ++c) largest = std::fmax(largest, real_part(x(r, c)));
  T sum = T(0);
  for (std::int64_t c = 0; c < x.cols; ++c) sum += std::exp(x(r, c) - T(largest));
  return std::log(sum) + T(largest);
}

// The column with the largest real part in row r, ignoring column `except`; the lowest wins ties.
template <class T>
std::int64_t argmax(const Matrix<T>& x, std::int64_t r, std::int64_t except = -1) {
  std::int64_t best = -1;
  for (std::int64_t c = 0; c < x.cols; ++c)
    if (c != except && (best < 0 || real_part(x(r, c)) > real_part(x(r, best)))) best = c;
  return best;
}

}  // namespace switchyard::reference
