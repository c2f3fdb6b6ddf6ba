// SPDX-License-Identifier: Apache-2.0
// Options and result of a search, greedy or beam.
#pragma once

#include <cstdint>
#include <vector>

#include "src/nn/batch.h"
#include "src/nn/pass.h"

namespace switchyard {

// Names and defaults are those of Hugging Face's GenerationConfig, except that max_new_tokens has
// no default there.
struct SearchOptions {
  std::int64_t num_beams = 1;         // 1: greedy
  std::int64_t max_new_tokens = 256;  // per hypothesis, eos included
  float length_penalty = 1;           // score = sum of log-probabilities / length^length_penalty
  // Stop at num_beams finished hypotheses, even if a running one may still beat them (beam search
  // only).
  bool early_stopping = false;
  std::int64_t num_return_sequences = 1;  // best first; at most num_beams
  // Return all finished hypotheses instead: at least num_beams.
  bool return_all = false;
  bool scores = false;  // fill in Hypothesis::score in greedy search too
  // An id that is never chosen, like one of Hugging Face's suppress_tokens; -1: none. If it is eos,
  // every hypothesis has exactly max_new_tokens ids.
  std::int32_t suppressed_id = -1;
  CapacityOptions capacity;  // in the encoder
};

struct Hypothesis {
  Ids ids;  // without decoder_start_token_id; the last is eos unless max_new_tokens cut it off
  float score = 0;
};

// The hypotheses of a sentence, best first.
using NBest = std::vector<Hypothesis>;

// Returns sum_log_prob / length^length_penalty, in f32 as in Hugging Face.
float normalised_score(float sum_log_prob, std::int64_t length, const SearchOptions& options);

// Error(kUsage) naming an option that is out of range.
void validate(const SearchOptions& options);

}  // namespace switchyard
