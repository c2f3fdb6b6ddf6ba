// SPDX-License-Identifier: Apache-2.0
// Beam search of one sentence: its running and its finished hypotheses.
// Source: transformers 5.24, generation/utils.py: _get_running_beams_for_next_iteration,
// _update_finished_beams, _check_early_stop_heuristic; all scores in f32, as there. Unlike there, a
// finished hypothesis is kept even if num_beams better ones have finished: a caller may want more
// than num_beams.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "src/decode/sentence_search.h"

namespace switchyard {

class Beam : public SentenceSearch {
 public:
  // Candidates per step: enough that num_beams of them do not end with one of `eos_ids` ids.
  static std::int64_t candidates(const SearchOptions& options, std::size_t eos_ids) {
    return (1 + static_cast<std::int64_t>(eos_ids)) * options.num_beams;
  }

  Beam(const SearchOptions& options, std::int64_t vocab_size, const Ids& eos_ids);

  // Takes candidates() continuations.
  void advance(std::span<const float> value, std::span<const std::int32_t> index) override;
  // At least num_beams hypotheses have finished once done.
  NBest best(std::size_t count) const override;
  Ids ids(std::size_t row) const override { return ids_to(last_[row]); }

 private:
  // A hypothesis is a linked list of tokens, last to first.
  struct Node {
    std::int32_t token;
    std::int32_t before;  // -1: the first token
  };
  struct Finished {
    float score;
    std::int32_t last;
  };
  void finish(float score, std::int32_t last);
  bool is_hopeless() const;
  Ids ids_to(std::int32_t last) const;

  SearchOptions options_;
  std::int64_t vocab_size_;
  Ids eos_ids_;
  std::int64_t length_ = 0;         // tokens of each running hypothesis
  std::vector<std::int32_t> last_;  // node of each running hypothesis
  std::vector<Node> nodes_;
  std::vector<Finished> finished_;  // best first
};

}  // namespace switchyard
