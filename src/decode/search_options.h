// SPDX-License-Identifier: Apache-2.0
// Options and result of a search: greedy, beam or sampling.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "src/core/early_stopping.h"
#include "src/nn/batch.h"
#include "src/nn/pass.h"

namespace switchyard {

constexpr std::int32_t kNoId = -1;

// What a search may choose next: the logits processors of generate(), off by default. Names and
// meanings are those of Hugging Face's GenerationConfig. A length counts decoder_start_token_id.
struct LogitsOptions {
  float encoder_repetition_penalty = 1;  // above 1: prefers the source's tokens
  float repetition_penalty = 1;          // above 1: avoids tokens that occurred
  std::int64_t no_repeat_ngram_size = 0;
  std::int64_t encoder_no_repeat_ngram_size = 0;    // no n-gram of the source
  std::vector<Ids> bad_words_ids;                   // sequences that are never completed
  std::int64_t min_length = 0;                      // eos included
  std::int64_t min_new_tokens = 0;                  // before eos, without a given prefix
  std::optional<std::int32_t> forced_bos_token_id;  // the first token
  Ids forced_eos_token_id;                          // at max_new_tokens, one of these
  Ids suppress_tokens, begin_suppress_tokens;       // never, and not as the first token
};

struct SamplingOptions {
  bool do_sample = false;
  float temperature = 1;    // divides the logits
  std::int64_t top_k = 50;  // samples from the best k tokens only; 0: from all
  float top_p = 1;          // and from the fewest tokens whose probabilities sum to this
  // The same seed gives the same samples, whatever the batch and the number of workers.
  std::uint64_t seed = 1;
};

// Names and defaults are those of Hugging Face's GenerationConfig, except that max_new_tokens has
// no default there.
struct SearchOptions {
  std::int64_t num_beams = 1;         // 1: greedy, or sampling
  std::int64_t max_new_tokens = 256;  // per hypothesis, eos included
  float length_penalty = 1;           // score = sum of log-probabilities / length^length_penalty
  EarlyStopping early_stopping = EarlyStopping::kFalse;  // beam search only
  // Best first; at most num_beams. Sampling with num_beams 1 instead draws so many hypotheses,
  // independent of each other, in no order.
  std::int64_t num_return_sequences = 1;
  // Return all finished hypotheses instead: at least num_beams.
  bool return_all = false;
  bool scores = false;  // fill in Hypothesis::score in greedy search too
  // An id that is never chosen, like one of suppress_tokens but without its cost; kNoId: none. If
  // it is eos, every hypothesis has exactly max_new_tokens ids.
  std::int32_t suppressed_id = kNoId;
  Ids more_eos_ids;  // end a hypothesis just as the model's eos_token_id does
  LogitsOptions logits;
  SamplingOptions sampling;
  CapacityOptions capacity;  // in the encoder

  // True if hypotheses are drawn independently of each other.
  bool samples_alone() const { return sampling.do_sample && num_beams == 1; }
  // Hypotheses that a sentence decodes at a time.
  std::int64_t rows() const { return samples_alone() ? num_return_sequences : num_beams; }
};

struct Hypothesis {
  // Without decoder_start_token_id; the last is eos unless max_new_tokens cut it off.
  Ids ids;
  float score = 0;
};

// The hypotheses of a sentence, best first.
using NBest = std::vector<Hypothesis>;

// Returns sum_log_prob / length^length_penalty, in f32 as in Hugging Face.
float normalised_score(float sum_log_prob, std::int64_t length, const SearchOptions& options);

// Error(kUsage) naming an option that is out of range.
void validate(const SearchOptions& options);
// The same for ids, which must be below vocab_size.
void validate_ids(const SearchOptions& options, std::int64_t vocab_size);

}  // namespace switchyard
