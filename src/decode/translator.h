// SPDX-License-Identifier: Apache-2.0
// Translator: many id sequences at once. They are sorted by length, cut into batches, searched by
// one or several workers, and returned in their own order. With row_invariant the result of a
// sequence is the same to the bit whatever the batch size, the order and the number of workers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "src/core/context.h"
#include "src/decode/search.h"
#include "src/nn/model.h"

namespace switchyard {

struct TranslatorOptions {
  SearchOptions search;
  // Each worker is a thread with a batch and a Context of its own; all share the weights.
  int workers = 1;
  int threads = 1;               // inside one operation of one worker
  std::int64_t mini_batch = 32;  // sentences at most
  bool row_invariant = true;
};

// The batches that translate() makes, as indices of sequences: longest first, at most `mini_batch`
// sequences and, unless it is a single one, at most kMaxBatchTokens tokens each.
constexpr std::size_t kMaxBatchTokens = 8192;
std::vector<std::vector<std::size_t>> translation_batches(const std::vector<Ids>& sources,
                                                          std::size_t mini_batch);

class Translator {
 public:
  // `model` must outlive this. Its values may change between calls of translate(), but for weights
  // that were prepared for a context like this one's: those are to be prepared anew. Translates on
  // the thread that made this, or on threads it makes. Error(kUsage) naming an option that is out
  // of range.
  Translator(const Model& model, const TranslatorOptions& options);

  // For each of `sources` (ids with eos, none empty) its hypotheses, best first. Error(kData) where
  // an id is not the model's, or its logits are not finite. An Error of any
  // worker is thrown after all have stopped. Memory grows with the longest batch, not with the
  // number of sequences.
  std::vector<NBest> translate(const std::vector<Ids>& sources);

  const TranslatorOptions& options() const { return options_; }

 private:
  const Model& model_;
  TranslatorOptions options_;
  std::vector<std::unique_ptr<Context>> contexts_;  // by worker
};

}  // namespace switchyard
