// SPDX-License-Identifier: Apache-2.0
// The search for one sentence: keeps its hypotheses and decides which token continues each. Pure
// host code: it sees the best candidates of each step, never the model.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "src/decode/search_options.h"

namespace switchyard {

class SentenceSearch {
 public:
  virtual ~SentenceSearch() = default;

  // Takes the best continuations of the hypotheses, best first: `value` is the hypothesis's score
  // plus the token's log-probability, `index` is hypothesis * vocab_size + token.
  virtual void advance(std::span<const float> value, std::span<const std::int32_t> index) = 0;
  // Once done: returns the `count` best finished hypotheses, best first, or all if there are fewer.
  virtual NBest best(std::size_t count) const = 0;
  // The tokens of running hypothesis `row` so far.
  virtual Ids ids(std::size_t row) const = 0;
  // True if hypothesis `row` has ended although others of the sentence run.
  virtual bool ended(std::size_t /*row*/) const { return false; }

  bool done() const { return done_; }
  // The running hypotheses, best first: score, last token, and the index that each one's parent had
  // before the last advance(). Undefined once done.
  const std::vector<float>& score() const { return score_; }
  const std::vector<std::int32_t>& token() const { return token_; }
  const std::vector<std::int32_t>& parent() const { return parent_; }

 protected:
  std::vector<float> score_;
  std::vector<std::int32_t> token_, parent_;
  bool done_ = false;
};

}  // namespace switchyard
