// SPDX-License-Identifier: Apache-2.0
// Options and result of a search, greedy or beam.
#pragma once

#include <cstdint>
#include <vector>

#include "src/nn/batch.h"
#include "src/nn/pass.h"

namespace switchyard {

// Names and defaults are those of Hugging Face's GenerationConfig but for max_new_tokens, which has
// none there.
struct SearchOptions {
  std::int64_t num_beams = 1;         // 1: greedy
  std::int64_t max_new_tokens = 256;  // a hypothesis has at most this many, eos counted
  float length_penalty = 1;           // score = sum of log-probabilities / length^length_penalty
  // A sentence is done once it has num_beams finished hypotheses, instead of once no running one
  // can be expected to become better than them. Beam search only.
  bool early_stopping = false;
  std::int64_t num_return_sequences = 1;  // best first; at most num_beams
  // Return every hypothesis that has finished instead: at least num_beams of them.
  bool return_all = false;
  bool scores = false;  // fill in Hypothesis::score in greedy search too
  // An id that is never chosen, as one of Hugging Face's suppress_tokens; -1: none. If it is eos,
  // every hypothesis has exactly max_new_tokens ids.
  std::int32_t suppressed_id = -1;
  CapacityOptions capacity;  // of the encoder's pass
};

struct Hypothesis {
  Ids ids;  // without decoder_start_token_id; ends with eos unless it was cut at max_new_tokens
  float score = 0;
};

// For each sentence its hypotheses, best first.
using NBest = std::vector<Hypothesis>;

// sum_log_prob / length^length_penalty, in f32 as in Hugging Face's.
float normalised_score(float sum_log_prob, std::int64_t length, const SearchOptions& options);

// Every option in its range; Error(kUsage) naming the one that is not.
void validate(const SearchOptions& options);

}  // namespace switchyard
