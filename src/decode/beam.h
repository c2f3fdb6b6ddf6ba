// SPDX-License-Identifier: Apache-2.0
// The beam of one sentence: its running and its finished hypotheses. Host side and pure: it is
// given each step's best candidates and says which hypotheses go on with which token.
// Source: transformers 5.23, generation/utils.py: _get_running_beams_for_next_iteration,
// _update_finished_beams, _check_early_stop_heuristic; all scores in f32 as there.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "src/decode/search.h"

namespace switchyard {

class Beam {
 public:
  // How many candidates a step looks at: enough that num_beams of them do not end with the one eos.
  static std::int64_t candidates(const SearchOptions& options) { return 2 * options.num_beams; }

  Beam(const SearchOptions& options, std::int64_t vocab_size, std::int32_t eos);

  // Takes the candidates(options) best continuations, best first: `value` = running score + log-
  // probability, `index` = running hypothesis * vocab_size + token.
  void advance(std::span<const float> value, std::span<const std::int32_t> index);

  bool done() const { return done_; }
  // The running hypotheses, best first: score, last token, and which running one of before the last
  // advance() each continues. Meaningless once done.
  const std::vector<float>& score() const { return score_; }
  const std::vector<std::int32_t>& token() const { return token_; }
  const std::vector<std::int32_t>& parent() const { return parent_; }

  // The `count` best finished hypotheses, best first; count <= num_beams. When done.
  NBest best(std::int64_t count) const;

 private:
  // A hypothesis is the path from its last token back to the start.
  struct Node {
    std::int32_t token;
    std::int32_t before;  // -1: the first token
  };
  struct Finished {
    float score;
    std::int32_t last;
  };
  void finish(float score, std::int32_t last);

  SearchOptions options_;
  std::int64_t vocab_size_;
  std::int32_t eos_;
  std::int64_t length_ = 0;  // tokens of each running hypothesis
  bool done_ = false;
  std::vector<float> score_;
  std::vector<std::int32_t> token_, parent_, last_;  // last_: node of each running hypothesis
  std::vector<Node> nodes_;
  std::vector<Finished> finished_;  // best first, at most num_beams
};

}  // namespace switchyard
