// SPDX-License-Identifier: Apache-2.0
// Label-smoothed cross-entropy (Szegedy et al. 2016) on rows of logits:
//   loss = (1 - smoothing) * nll + smoothing * mean over the vocabulary of -log p
#pragma once

#include "simd/rows_view.h"

namespace switchyard::simd {

struct TokenLoss {
  double loss = 0;
  double nll = 0;
};

// losses [rows]. labels [rows, 1], each in [0, vocab).
void cross_entropy(std::int64_t rows, std::int64_t vocab, In logits, IndexIn labels,
                   float smoothing, TokenLoss* losses);

// The same, and grad = grad_scale * d loss / d logits
//   = grad_scale * (softmax - (1 - smoothing) * onehot(label) - smoothing / vocab).
// logits are used up; grad may be logits.
void cross_entropy_gradient(std::int64_t rows, std::int64_t vocab, Out logits, IndexIn labels,
                            float smoothing, float grad_scale, TokenLoss* losses, AnyOut grad);

}  // namespace switchyard::simd
