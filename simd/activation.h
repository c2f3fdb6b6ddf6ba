// SPDX-License-Identifier: Apache-2.0
// The feed-forward's nonlinearity with its gate and dropout, forward and backward.
#pragma once

#include "simd/dropout.h"
#include "simd/rows_view.h"
#include "src/core/activation.h"

namespace switchyard::simd {

// y = dropped act(hidden), or with `gate`: dropped act(hidden) * gate. [rows, cols], all of one
// type; y may be hidden or gate.
extern void (*const activation)(Activation act, std::int64_t rows, std::int64_t cols, AnyIn hidden,
                                AnyIn gate, const Dropout& drop, AnyOut y);

// grad_hidden and grad_gate (where there is a gate) overwritten. dy may be grad_hidden or
// grad_gate; hidden may be grad_hidden, gate may be grad_gate.
extern void (*const activation_backward)(Activation act, std::int64_t rows, std::int64_t cols,
                                         AnyIn hidden, AnyIn gate, const Dropout& drop, AnyIn dy,
                                         AnyOut grad_hidden, AnyOut grad_gate);

}  // namespace switchyard::simd
