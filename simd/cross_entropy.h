// SPDX-License-Identifier: Apache-2.0
// Label-smoothed cross-entropy (Szegedy et al. 2016) on rows of logits:
//   loss = (1 - smoothing) * nll + smoothing * mean over the vocabulary of -log p
#pragma once

#include <algorithm>

#include "simd/rows_view.h"

namespace switchyard::simd {

// Logits [rows, vocab] stored as blocks of `width` columns, one after another; the last may be
// narrower. A matmul reads and writes a block in place.
struct LogitBlocks {
  std::int64_t rows = 0, vocab = 0, width = 0;
  std::int64_t gap = 0;  // elements between rows; only with a single block

  std::int64_t count() const { return (vocab + width - 1) / width; }
  std::int64_t cols(std::int64_t block) const { return std::min(width, vocab - block * width); }
  // The offset of a block's row, in elements.
  std::int64_t offset(std::int64_t row, std::int64_t block) const {
    return block * width * rows + row * (cols(block) + gap);
  }
};

struct TokenLoss {
  double loss = 0;
  double nll = 0;
};

// Writes elements [first, first + count) of losses [shape.rows]. labels [shape.rows, 1], each in
// [0, vocab).
extern void (*const cross_entropy)(const LogitBlocks& shape, std::int64_t first, std::int64_t count,
                                   const float* logits, IndexIn labels, float smoothing,
                                   TokenLoss* losses);

// Also computes grad = grad_scale * d loss / d logits
//   = grad_scale * (softmax - (1 - smoothing) * onehot(label) - smoothing / vocab).
// Overwrites logits. grad has the layout of logits, whatever its stride, and may alias them.
extern void (*const cross_entropy_gradient)(const LogitBlocks& shape, std::int64_t first,
                                            std::int64_t count, float* logits, IndexIn labels,
                                            float smoothing, float grad_scale, TokenLoss* losses,
                                            AnyOut grad);

}  // namespace switchyard::simd
