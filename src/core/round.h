// SPDX-License-Identifier: Apache-2.0
// Rounding sizes up to a multiple.
#pragma once

#include <cstddef>

namespace switchyard {

// The alignment of memory blocks and rows, in bytes: a cache line, and the widest vector.
constexpr std::size_t kAlignment = 64;

// The smallest multiple of `to` that is at least n; n >= 0.
template <class T>
constexpr T round_up(T n, T to) {
  return (n + to - 1) / to * to;
}

}  // namespace switchyard
