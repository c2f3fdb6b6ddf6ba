// SPDX-License-Identifier: Apache-2.0
// The best ids of rows of logits: greedy and beam search.
#pragma once

#include "simd/rows_view.h"

namespace switchyard::simd {

// token [rows, 1] = argmax of a row but for id `suppressed` (-1: none), the lowest where equal;
// log_prob [rows, 1], if not empty, = its log-softmax over all ids. NaN never wins; where what wins
// is not finite, or nothing does, the token is -1.
extern void (*const argmax)(std::int64_t rows, std::int64_t vocab, In logits,
                            std::int32_t suppressed, IndexOut token, Out log_prob);

// The k best of score[b] + log_softmax(logits[b])[v] over the `beams` rows of one group, best
// first, equal ones by index: values [k], index [k] = b * vocab + v. beams * vocab (less the
// suppressed ids) is at least k, and below 2^31. score [beams, 1]; NaN ranks below all.
extern void (*const top_k)(std::int64_t beams, std::int64_t vocab, In logits, In score,
                           std::int64_t k, std::int32_t suppressed, float* values,
                           std::int32_t* index);

}  // namespace switchyard::simd
