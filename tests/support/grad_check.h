// SPDX-License-Identifier: Apache-2.0
// Exact gradients by the complex step (Squire & Trapp 1998): f(x + ih) has the derivative as its
// imaginary part over h, with no difference that could cancel.
#pragma once

#include <complex>
#include <vector>

namespace switchyard {

// The derivative of f() by each element of `x`, to which f refers.
template <class F>
std::vector<double> complex_step_gradient(std::vector<std::complex<double>>& x, F&& f) {
  constexpr double kStep = 1e-50;
  std::vector<double> gradient;
  for (std::complex<double>& element : x) {
    const std::complex<double> at = element;
    element += std::complex<double>(0, kStep);
    gradient.push_back(f().imag() / kStep);
    element = at;
  }
  return gradient;
}

}  // namespace switchyard
