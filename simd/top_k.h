// SPDX-License-Identifier: Apache-2.0
// The best ids in rows of logits, for greedy and beam search.
#pragma once

#include "simd/rows_view.h"

namespace switchyard::simd {

// token [rows, 1] = argmax of a row over all ids except `suppressed` (-1: none); the lowest id wins
// ties. log_prob [rows, 1] = its log-softmax over all ids; may be empty. NaN never wins; the token
// is -1 if no logit wins or the winning one is not finite.
extern void (*const argmax)(std::int64_t rows, std::int64_t vocab, In logits,
                            std::int32_t suppressed, IndexOut token, Out log_prob);

// The k best of score[b] + log_softmax(logits[b])[v] over the `beams` rows of one group, best
// first, ties by index: values [k], index [k] = b * vocab + v. beams * vocab is below 2^31 and,
// without the suppressed ids, at least k. score [beams, 1]; NaN ranks last.
extern void (*const top_k)(std::int64_t beams, std::int64_t vocab, In logits, In score,
                           std::int64_t k, std::int32_t suppressed, float* values,
                           std::int32_t* index);

}  // namespace switchyard::simd
