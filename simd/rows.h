// SPDX-License-Identifier: Apache-2.0
// Elementwise arithmetic on rows, and gathering and scattering rows by index (embedding, dispatch
// to experts, combining their outputs). Matrices are [rows, cols]; an index is [rows, 1]. Functions
// that only copy rows need x and y of the same type.
#pragma once

#include "simd/rows_view.h"

namespace switchyard::simd {

void fill(std::int64_t rows, std::int64_t cols, float value, AnyOut y);
void copy(std::int64_t rows, std::int64_t cols, In x, Out y);
// y += x
extern void (*const add)(std::int64_t rows, std::int64_t cols, In x, Out y);
// y = factor * x
extern void (*const scale)(std::int64_t rows, std::int64_t cols, float factor, AnyIn x, AnyOut y);
// y += t * (x - y)
extern void (*const lerp)(std::int64_t rows, std::int64_t cols, float t, In x, Out y);
// y += bias [cols]
extern void (*const add_bias)(std::int64_t rows, std::int64_t cols, const float* bias, Out y);

// y[r] = x[index[r]], or 0 if the index is negative.
void gather_rows(std::int64_t rows, std::int64_t cols, AnyIn x, IndexIn index, AnyOut y);
// y[r] += x[index[r]], unless the index is negative.
extern void (*const gather_rows_add)(std::int64_t rows, std::int64_t cols, AnyIn x, IndexIn index,
                                     Out y);
// y[index[r]] = x[r], unless the index is negative.
void scatter_rows(std::int64_t rows, std::int64_t cols, AnyIn x, IndexIn index, AnyOut y);
// y[index[r]] += x[r] in row order, unless the index is negative.
extern void (*const scatter_rows_add)(std::int64_t rows, std::int64_t cols, In x, IndexIn index,
                                      Out y);

// y[t] = combine_weight[t] * expert_out[slot_of_token[t]], or 0 if the slot is negative.
extern void (*const combine_rows)(std::int64_t tokens, std::int64_t cols, AnyIn expert_out,
                                  IndexIn slot_of_token, In combine_weight, AnyOut y);
// Its backward by slot: grad_out[s] = combine_weight[t] * dy[t] with t = token_of_slot[s], or 0 if
// t is negative. combine_weight and dy cover all tokens, not a block of them.
extern void (*const combine_rows_grad_out)(std::int64_t slots, std::int64_t cols, AnyIn dy,
                                           IndexIn token_of_slot, In combine_weight,
                                           AnyOut grad_out);
// Its backward by token: grad_weight[t] = dy[t] . expert_out[slot_of_token[t]], or 0 if the slot is
// negative. dy and expert_out have the same type.
extern void (*const combine_rows_grad_weight)(std::int64_t tokens, std::int64_t cols, AnyIn dy,
                                              AnyIn expert_out, IndexIn slot_of_token,
                                              Out grad_weight);

}  // namespace switchyard::simd
