// SPDX-License-Identifier: Apache-2.0
#include "src/core/rng.h"

#include <cmath>

namespace switchyard {

double Rng::normal() {
  const double u = 1.0 - uniform();  // in (0, 1]
  const double v = uniform();
  return std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * v);
}

double Rng::truncated_normal() {
  double x = normal();
  while (std::abs(x) > 2.0) x = normal();
  return x;
}

}  // namespace switchyard
