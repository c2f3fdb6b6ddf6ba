// SPDX-License-Identifier: Apache-2.0
// Random masks and factors on rows, from the numbers of src/core/rng.h. The effect on element i of
// a row depends only on the stream, the row's tag and i.
#pragma once

#include "simd/rows_view.h"

namespace switchyard::simd {

// Inverted dropout: an element whose random_u32 is below drop_threshold(rate) becomes 0; any other
// is divided by (1 - rate). Rate 0 turns dropout off; the other members are then unused.
struct Dropout {
  float rate = 0;
  std::uint64_t stream = 0;
  IndexIn tags;          // [tokens, 2]: sentence and position
  IndexIn token_of_row;  // row r of the call is token token_of_row[r]; empty: token r
};

// y = dropout(x) [rows, cols]; y may alias x.
extern void (*const dropout)(std::int64_t rows, std::int64_t cols, const Dropout& drop, AnyIn x,
                             AnyOut y);

// y = residual + dropout(x); y may alias residual or x.
extern void (*const add_dropout)(std::int64_t rows, std::int64_t cols, const Dropout& drop, AnyIn x,
                                 In residual, Out y);

// y = x * (1 + eps * (2 u - 1)) with u = uniform_f32 of the element: each element gets a random
// factor in [1 - eps, 1 + eps) (Switch Transformer, App. C). y may alias x.
extern void (*const jitter)(std::int64_t rows, std::int64_t cols, float eps, std::uint64_t stream,
                            IndexIn tags, AnyIn x, Out y);

}  // namespace switchyard::simd
