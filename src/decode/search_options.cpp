// SPDX-License-Identifier: Apache-2.0
#include "src/decode/search_options.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "src/core/error.h"

namespace switchyard {

float normalised_score(float sum_log_prob, std::int64_t length, const SearchOptions& options) {
  return sum_log_prob / static_cast<float>(std::pow(static_cast<double>(length),
                                                    static_cast<double>(options.length_penalty)));
}

void validate(const SearchOptions& options) {
  const auto range = [](auto value, auto low, auto high, const char* name) {
    check(value >= low && value <= high, ErrorKind::kUsage, name, ": ", value, ", expected ", low,
          " to ", high);
  };
  constexpr std::int64_t kLeast = 0, kMost = kMaxNewTokens + 1;
  range(options.num_beams, std::int64_t{1}, kMaxNumBeams, "beam size");
  range(options.max_new_tokens, std::int64_t{1}, kMaxNewTokens, "maximum output length");
  range(options.num_return_sequences, std::int64_t{1},
        options.samples_alone() ? kMaxNumBeams : options.num_beams, "hypotheses returned");
  check(std::isfinite(options.length_penalty), ErrorKind::kUsage,
        "length penalty: ", options.length_penalty, ", expected a finite number");
  const LogitsOptions& logits = options.logits;
  range(logits.repetition_penalty, kMinPenalty, kMaxPenalty, "repetition_penalty");
  range(logits.encoder_repetition_penalty, kMinPenalty, kMaxPenalty, "encoder_repetition_penalty");
  range(logits.no_repeat_ngram_size, kLeast, kMost, "no_repeat_ngram_size");
  range(logits.encoder_no_repeat_ngram_size, kLeast, kMost, "encoder_no_repeat_ngram_size");
  range(logits.min_length, kLeast, kMost, "min_length");
  range(logits.min_new_tokens, kLeast, kMost, "min_new_tokens");
  const auto suppressed = [&](std::int32_t id) {
    const Ids& ids = logits.suppress_tokens;
    return std::find(ids.begin(), ids.end(), id) != ids.end();
  };
  const Ids& eos = logits.forced_eos_token_id;
  check(!logits.forced_bos_token_id || !suppressed(*logits.forced_bos_token_id), ErrorKind::kUsage,
        "forced_bos_token_id: also in suppress_tokens");
  check(eos.empty() || !std::all_of(eos.begin(), eos.end(), suppressed), ErrorKind::kUsage,
        "forced_eos_token_id: also in suppress_tokens");
  range(options.sampling.temperature, kMinTemperature, kMaxTemperature, "temperature");
  range(options.sampling.top_k, kLeast, std::numeric_limits<std::int64_t>::max(), "top_k");
  range(options.sampling.top_p, 0.0f, 1.0f, "top_p");
}

void validate_ids(const SearchOptions& options, std::int64_t vocab_size) {
  const auto check_ids = [&](const Ids& ids, const char* name) {
    for (const std::int32_t id : ids)
      check(id >= 0 && id < vocab_size, ErrorKind::kUsage, name, ": id ", id, ", expected 0 to ",
            vocab_size - 1);
  };
  const LogitsOptions& logits = options.logits;
  check_ids(options.more_eos_ids, "eos_token_id");
  check_ids(logits.forced_eos_token_id, "forced_eos_token_id");
  check_ids(logits.suppress_tokens, "suppress_tokens");
  check_ids(logits.begin_suppress_tokens, "begin_suppress_tokens");
  if (logits.forced_bos_token_id) check_ids({*logits.forced_bos_token_id}, "forced_bos_token_id");
  if (options.suppressed_id != kNoId) check_ids({options.suppressed_id}, "suppressed id");
  for (const Ids& word : logits.bad_words_ids) {
    check(!word.empty(), ErrorKind::kUsage,
          "bad_words_ids: an empty word, expected at least one id");
    check_ids(word, "bad_words_ids");
  }
}

}  // namespace switchyard
