// SPDX-License-Identifier: Apache-2.0
// Conversion between element types.
#pragma once

#include "simd/rows_view.h"

namespace switchyard::simd {

// y = x [rows, cols]. f32 to bf16 gives the bits of f32_to_bf16() in core/dtype.h.
extern void (*const convert)(std::int64_t rows, std::int64_t cols, AnyIn x, AnyOut y);

}  // namespace switchyard::simd
