// SPDX-License-Identifier: Apache-2.0
// The nonlinearity of a feed-forward layer with its gate and dropout, forward and backward.
#pragma once

#include "simd/dropout.h"
#include "simd/rows_view.h"
#include "src/core/activation.h"

namespace switchyard::simd {

// y = dropout(act(hidden)) or, with a gate, dropout(act(hidden) * gate). All are [rows, cols] and
// of one type; y may alias hidden or gate.
extern void (*const activation)(Activation act, std::int64_t rows, std::int64_t cols, AnyIn hidden,
                                AnyIn gate, const Dropout& drop, AnyOut y);

// Overwrites grad_hidden and, with a gate, grad_gate. grad_hidden may alias dy or hidden; grad_gate
// may alias dy or gate.
extern void (*const activation_backward)(Activation act, std::int64_t rows, std::int64_t cols,
                                         AnyIn hidden, AnyIn gate, const Dropout& drop, AnyIn dy,
                                         AnyOut grad_hidden, AnyOut grad_gate);

}  // namespace switchyard::simd
