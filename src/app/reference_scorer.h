// SPDX-License-Identifier: Apache-2.0
// Log-probabilities that a model gives to translations made by others: references, n-best lists of
// another system, the other side of a noisy corpus. Marian and fairseq call this scoring.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "src/app/text_translator.h"
#include "src/core/team.h"
#include "src/nn/pass.h"

namespace switchyard {

struct ReferenceScorerOptions {
  int threads = 1;
  std::string source_prefix;  // prepended to every source line: T5's task prefix
  CapacityOptions capacity;   // in encoder and decoder
  std::string source = "source", reference = "reference";  // the texts' names in messages
};

// A reference, token by token.
struct ScoredReference {
  Ids ids;                       // ends in eos
  std::vector<float> log_probs;  // of each id given the source and the ids before it; natural
  double log_prob() const;       // their sum
};

class ReferenceScorer {
 public:
  // A longer source or reference is an error: cropping would change the score.
  static constexpr std::int64_t kMaxTokens = 4096;  // eos included

  // `model` must outlive this.
  ReferenceScorer(const TextModel& model, const ReferenceScorerOptions& options);

  // Calls found(line, result) for every line, counted from 0, in order. A blank line is eos alone,
  // on either side. Both texts must have the same number of lines. The result for a line does not
  // depend on the other lines, nor on the number of threads. Warns if more than 1 % of a text's
  // tokens are unknown. Error(kData) naming the first line that is too long, before the first
  // result; Error(kData) if the model's logits are not finite or its prepared file has changed.
  using Found = std::function<void(std::size_t line, const ScoredReference& result)>;
  void score(const std::vector<std::string>& sources, const std::vector<std::string>& references,
             const Found& found);

 private:
  std::vector<Ids> encode(const std::vector<std::string>& lines, const std::string& prefix,
                          const std::string& name) const;
  void score_window(const std::vector<Ids>& sources, std::size_t first,
                    std::vector<ScoredReference>& results);

  const TextModel& model_;
  ReferenceScorerOptions options_;
  Team team_;
  std::vector<std::unique_ptr<Context>> contexts_;  // of the threads
};

}  // namespace switchyard
