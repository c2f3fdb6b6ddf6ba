// SPDX-License-Identifier: Apache-2.0
#include "src/app/search_defaults.h"

namespace switchyard {

void apply_generation_config(const GenerationConfig& file,
                             const std::function<bool(std::string_view key)>& given,
                             SearchOptions& options) {
  const auto set = [&](const char* key, const auto& from, auto& to) {
    if (from && !given(key)) to = *from;
  };
  LogitsOptions& logits = options.logits;
  SamplingOptions& sampling = options.sampling;
  set("do_sample", file.do_sample, sampling.do_sample);
  if (sampling.do_sample && !given("num_beams")) options.num_beams = 1;
  set("num_beams", file.num_beams, options.num_beams);
  set("num_return_sequences", file.num_return_sequences, options.num_return_sequences);
  set("length_penalty", file.length_penalty, options.length_penalty);
  set("early_stopping", file.early_stopping, options.early_stopping);
  set("max_new_tokens", file.max_new_tokens, options.max_new_tokens);
  if (given("min_new_tokens")) {
    logits.min_length = 0;
  } else if (!given("min_length")) {
    set("min_new_tokens", file.min_new_tokens, logits.min_new_tokens);
    set("min_length", file.min_length, logits.min_length);
  }
  set("repetition_penalty", file.repetition_penalty, logits.repetition_penalty);
  set("encoder_repetition_penalty", file.encoder_repetition_penalty,
      logits.encoder_repetition_penalty);
  set("no_repeat_ngram_size", file.no_repeat_ngram_size, logits.no_repeat_ngram_size);
  set("encoder_no_repeat_ngram_size", file.encoder_no_repeat_ngram_size,
      logits.encoder_no_repeat_ngram_size);
  set("bad_words_ids", file.bad_words_ids, logits.bad_words_ids);
  set("suppress_tokens", file.suppress_tokens, logits.suppress_tokens);
  set("begin_suppress_tokens", file.begin_suppress_tokens, logits.begin_suppress_tokens);
  if (file.forced_bos_token_id && !given("forced_bos_token_id"))
    logits.forced_bos_token_id = file.forced_bos_token_id;
  set("forced_eos_token_id", file.forced_eos_token_id, logits.forced_eos_token_id);
  set("eos_token_id", file.more_eos_ids, options.more_eos_ids);
  set("temperature", file.temperature, sampling.temperature);
  set("top_k", file.top_k, sampling.top_k);
  set("top_p", file.top_p, sampling.top_p);
}

}  // namespace switchyard
