// SPDX-License-Identifier: Apache-2.0
// Rounds to float16, for files; core/dtype.h has the other direction.
#pragma once

#include <cstdint>

#include "src/core/dtype.h"

namespace switchyard {

// Rounds to nearest, ties to even, also to subnormals; from 65520 on the result is infinite. NaN
// stays NaN.
inline std::uint16_t f32_to_f16(float value) {
  const std::uint32_t bits = bits_of_f32(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  const auto with_sign = [&](std::uint32_t half) {
    return static_cast<std::uint16_t>(sign | half);
  };
  if (magnitude > 0x7F800000u) return with_sign(0x7E00u);
  if (magnitude >= 0x477FF000u) return with_sign(0x7C00u);
  if (magnitude >= 0x38800000u)  // 2^-14: normal
    return with_sign((magnitude - 0x38000000u + 0xFFFu + ((magnitude >> 13) & 1u)) >> 13);
  if (magnitude < 0x33000000u) return with_sign(0);     // 2^-25, half of the smallest
  const std::uint32_t shift = 126 - (magnitude >> 23);  // 14 to 24 bits are lost
  const std::uint32_t mantissa = (magnitude & 0x7FFFFFu) | 0x800000u;
  const std::uint32_t half = mantissa >> shift;
  const std::uint32_t lost = mantissa & ((1u << shift) - 1), tie = 1u << (shift - 1);
  return with_sign(half + (lost > tie || (lost == tie && (half & 1u)) ? 1 : 0));
}

}  // namespace switchyard
