// SPDX-License-Identifier: Apache-2.0
// Sizes as multiples.
#pragma once

#include <cstddef>

namespace switchyard {

// A cache line, and the widest vector: where blocks of memory and rows start, in bytes.
constexpr std::size_t kAlignment = 64;

// The least multiple of `to` that is at least n >= 0.
template <class T>
constexpr T round_up(T n, T to) {
  return (n + to - 1) / to * to;
}

}  // namespace switchyard
