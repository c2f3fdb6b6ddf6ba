// SPDX-License-Identifier: Apache-2.0
// Conversion of element types.
#pragma once

#include <cstdint>

namespace switchyard::simd {

void bf16_to_f32(std::int64_t n, const std::uint16_t* x, float* y);

// Round to nearest, ties to even; NaN stays NaN. The same bits as f32_to_bf16 of core/dtype.h.
void f32_to_bf16(std::int64_t n, const float* x, std::uint16_t* y);

}  // namespace switchyard::simd
