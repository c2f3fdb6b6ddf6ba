// SPDX-License-Identifier: Apache-2.0
// Sampling: num_return_sequences hypotheses, each continued with a token drawn at random until eos,
// independently of the others. Also greedy search under logits processors, with one hypothesis.
#pragma once

#include "src/decode/sentence_search.h"

namespace switchyard {

class Sample : public SentenceSearch {
 public:
  Sample(const SearchOptions& options, const Ids& eos_ids);

  // Takes one candidate per hypothesis: `index` is its token, `value` the token's log-probability.
  // Those of hypotheses that have ended are ignored.
  void advance(std::span<const float> value, std::span<const std::int32_t> index) override;
  // In the order of the hypotheses, not of their scores.
  NBest best(std::size_t count) const override;
  Ids ids(std::size_t row) const override { return hypotheses_[row].ids; }
  bool ended(std::size_t row) const override { return ended_[row]; }

 private:
  SearchOptions options_;
  Ids eos_ids_;
  NBest hypotheses_;  // score: the sum of log-probabilities
  std::vector<bool> ended_;
};

}  // namespace switchyard
