// SPDX-License-Identifier: Apache-2.0
#include "tools/search_flags.h"

#include <algorithm>
#include <limits>
#include <map>
#include <sstream>
#include <string>
#include <string_view>

#include "src/app/search_defaults.h"

namespace switchyard {

namespace {

constexpr std::int64_t kMaxLength = kMaxNewTokens + 1;
constexpr std::int32_t kMaxId = std::numeric_limits<std::int32_t>::max();

// "5,6,7" as ids.
Ids parse_word(const std::string& name, const std::string& text) {
  Ids ids;
  std::istringstream parts(text + ",");
  for (std::string part; std::getline(parts, part, ',');)
    ids.push_back(parse_number<int>(name, part, 0, kMaxId));
  return ids;
}

}  // namespace

void SearchFlags::declare(Options& options) {
  LogitsOptions& logits = search.logits;
  SamplingOptions& sampling = search.sampling;
  options.group("Search");
  options.number("beam-size,b", search.num_beams, 1, kMaxNumBeams,
                 "beam size; 1: greedy search, or sampling");
  options.alias("--num-beams", "beam-size");
  options.number("normalize,n", search.length_penalty, -100, 100,
                 "score = sum of log-probabilities / length^N");
  options.alias("--length-penalty", "normalize");
  options.alias("--lenpen", "normalize");
  options.flag_choice("early-stopping", search.early_stopping,
                      {{"true", EarlyStopping::kTrue},
                       {"false", EarlyStopping::kFalse},
                       {"never", EarlyStopping::kNever}},
                      "stop a sentence once it has as many finished hypotheses as the beam size; "
                      "=never: search until no better one is possible");
  options.number("max-output-length", search.max_new_tokens, 1, kMaxNewTokens,
                 "maximum tokens of a translation, end of sentence included");
  options.alias("--max-decoding-length", "max-output-length");
  options.alias("--max-new-tokens", "max-output-length");
  options.number("max-length", max_length, 2, kMaxLength,
                 "the same, counted as by Hugging Face: with the start token");
  options.number("min-new-tokens", logits.min_new_tokens, 0, kMaxLength,
                 "minimum tokens before the end of sentence");
  options.number("min-length", logits.min_length, 0, kMaxLength,
                 "minimum tokens with start token and end of sentence");

  options.group("Tokens");
  options.number("repetition-penalty", logits.repetition_penalty, kMinPenalty, kMaxPenalty,
                 "above 1: avoid tokens that the translation already has");
  options.number("encoder-repetition-penalty", logits.encoder_repetition_penalty, kMinPenalty,
                 kMaxPenalty, "above 1: prefer tokens of the input");
  options.number("no-repeat-ngram-size", logits.no_repeat_ngram_size, 0, kMaxLength,
                 "never generate N tokens in a row twice; 0: off");
  options.number("encoder-no-repeat-ngram-size", logits.encoder_no_repeat_ngram_size, 0, kMaxLength,
                 "never generate N tokens in a row of the input; 0: off");
  options.parsed_list("bad-words-ids", logits.bad_words_ids, parse_word, "ID,ID...",
                      "sequences of ids that are never generated, ids separated by commas");
  options.numbers("suppress-tokens", logits.suppress_tokens, 0, kMaxId,
                  "ids that are never generated");
  options.numbers("begin-suppress-tokens", logits.begin_suppress_tokens, 0, kMaxId,
                  "ids that are never generated first");
  options.number("forced-bos-token-id", logits.forced_bos_token_id, 0, kMaxId,
                 "id of the first token");
  options.numbers("forced-eos-token-id", logits.forced_eos_token_id, 0, kMaxId,
                  "ids of which one ends a translation of maximum length");
  options.numbers("eos-token-id", search.more_eos_ids, 0, kMaxId,
                  "ids that end a translation as </s> does");

  options.group("Sampling");
  options.flag("do-sample", sampling.do_sample,
               "draw each token at random; --n-best=K draws K translations");
  options.number("temperature", sampling.temperature, kMinTemperature, kMaxTemperature,
                 "divides the logits: below 1 more, above 1 less predictable");
  options.number("top-k", sampling.top_k, 0, std::numeric_limits<std::int64_t>::max(),
                 "draw from the best N tokens only; 0: from all");
  options.number("top-p", sampling.top_p, 0, 1,
                 "draw from the fewest tokens whose probabilities sum to N");
  options.number("seed", sampling.seed, 0, std::numeric_limits<std::uint64_t>::max(),
                 "the same seed and input give the same samples");
}

void SearchFlags::complete(const Options& options, const GenerationConfig& file) {
  const auto given = [&](std::string_view key) {
    static const std::map<std::string_view, const char*> own_names = {
        {"num_beams", "beam-size"},
        {"length_penalty", "normalize"},
        {"num_return_sequences", "n-best"},
        {"max_new_tokens", "max-output-length"}};
    if (key == "max_new_tokens" && options.given("max-length")) return true;
    const auto own = own_names.find(key);
    std::string name(own == own_names.end() ? key : own->second);
    std::replace(name.begin(), name.end(), '_', '-');
    return options.given(name);
  };
  if (max_length && !options.given("max-output-length")) search.max_new_tokens = *max_length - 1;
  apply_generation_config(file, given, search);
}

}  // namespace switchyard
