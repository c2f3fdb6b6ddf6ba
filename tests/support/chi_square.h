// SPDX-License-Identifier: Apache-2.0
// Pearson's chi-square test of counts against expected counts.
#pragma once

#include <cmath>

namespace switchyard {

class ChiSquare {
 public:
  // Outcomes that are expected fewer than 5 times are pooled.
  void add(double count, double expected) {
    if (expected < 5) {
      rare_count_ += count;
      rare_expected_ += expected;
    } else {
      add_cell(count, expected);
    }
  }
  // False if counts as far from the expected ones have a probability below about 1e-6.
  bool passes() {
    if (rare_expected_ > 0) add_cell(rare_count_, rare_expected_);
    if (rare_expected_ == 0 && rare_count_ > 0) return false;
    // Wilson and Hilferty (1931): the cube root is almost normal.
    const double n = cells_ - 1, v = 2 / (9 * n);
    return n < 1 || (std::cbrt(sum_ / n) - (1 - v)) / std::sqrt(v) < 4.75;
  }

 private:
  void add_cell(double count, double expected) {
    sum_ += (count - expected) * (count - expected) / expected;
    ++cells_;
  }
  double sum_ = 0, cells_ = 0, rare_count_ = 0, rare_expected_ = 0;
};

}  // namespace switchyard
