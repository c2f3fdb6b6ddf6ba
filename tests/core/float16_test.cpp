// SPDX-License-Identifier: Apache-2.0
// float16: every value there and back, and rounding to nearest even.
#include "src/core/float16.h"

#include <cmath>

#include "tests/support/catch.h"

using namespace switchyard;

namespace {

bool is_finite_half(std::uint32_t half) { return (half & 0x7C00u) != 0x7C00u; }

}  // namespace

TEST_CASE("float16: float16 values survive float32") {
  std::uint32_t changed = 0;
  for (std::uint32_t half = 0; half < 0x10000; ++half) {
    const bool is_nan = !is_finite_half(half) && (half & 0x3FFu) != 0;
    const float value = f16_to_f32(static_cast<std::uint16_t>(half));
    if (is_nan)
      changed += !std::isnan(f16_to_f32(f32_to_f16(value)));
    else
      changed += f32_to_f16(value) != half;
  }
  CHECK(changed == 0);
}

TEST_CASE("float16: float32 is rounded to the nearest float16, ties to even") {
  std::uint32_t wrong = 0;
  for (std::uint32_t half = 0; half + 1 < 0x7C00; ++half) {
    const float low = f16_to_f32(static_cast<std::uint16_t>(half));
    const float high = f16_to_f32(static_cast<std::uint16_t>(half + 1));
    const float middle = (low + high) / 2;  // exact: float32 has 13 more bits
    const std::uint32_t even = half + (half & 1u);
    for (const float sign : {1.0f, -1.0f}) {
      const std::uint32_t bit = sign < 0 ? 0x8000u : 0;
      wrong += f32_to_f16(sign * middle) != (even | bit);
      wrong += f32_to_f16(sign * std::nextafter(middle, 0.0f)) != (half | bit);
      wrong += f32_to_f16(sign * std::nextafter(middle, 1e9f)) != ((half + 1) | bit);
    }
  }
  CHECK(wrong == 0);
  CHECK(f32_to_f16(65504.0f) == 0x7BFF);
  CHECK(f32_to_f16(std::nextafter(65520.0f, 0.0f)) == 0x7BFF);
  for (const float large : {65520.0f, 1e30f, INFINITY}) CHECK(f32_to_f16(large) == 0x7C00);
}
