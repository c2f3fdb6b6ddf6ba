// SPDX-License-Identifier: Apache-2.0
// Softmax of rows.
#pragma once

#include "simd/rows_view.h"

namespace switchyard::simd {

// probs = softmax(logits) [rows, cols]; logsumexp [rows, 1], not written where empty. probs may be
// logits. A row with NaN or +inf becomes NaN.
void softmax(std::int64_t rows, std::int64_t cols, In logits, Out probs, Out logsumexp);

}  // namespace switchyard::simd
