// SPDX-License-Identifier: Apache-2.0
// The one comparison of numbers in tests.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>

namespace switchyard {

// Empty if every |actual - expected| <= atol + rtol * max|expected|; else the first bad index with
// both values and the bound. NaN is never close.
template <class A, class B>
std::string close(const A& actual, const B& expected, double rtol, double atol) {
  if (actual.size() != expected.size())
    return "sizes " + std::to_string(actual.size()) + " and " + std::to_string(expected.size());
  double largest = 0;
  for (const auto& e : expected) largest = std::max(largest, std::abs(static_cast<double>(e)));
  const double bound = atol + rtol * largest;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double a = static_cast<double>(actual[i]), e = static_cast<double>(expected[i]);
    if (!(std::abs(a - e) <= bound))
      return "index " + std::to_string(i) + ": " + std::to_string(a) + ", expected " +
             std::to_string(e) + ", bound " + std::to_string(bound);
  }
  return "";
}

}  // namespace switchyard
