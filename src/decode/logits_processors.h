// SPDX-License-Identifier: Apache-2.0
// generate()'s logits processors: each edits the scores of the tokens that may come next, and -inf
// excludes a token. Source: transformers 5.24.0, generation/logits_process.py.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "src/decode/search_options.h"

namespace switchyard {

// What is known about the hypothesis that a token is chosen for.
struct DecodedText {
  std::span<const std::int32_t> source;  // with eos
  // decoder_start_token_id, a given prefix, and the tokens chosen so far.
  std::span<const std::int32_t> ids;
  std::size_t prompt_length = 1;  // of `ids`: those that were given
};

// scores [vocab]: logits or, in beam search, log-probabilities.
using LogitsProcessor = std::function<void(const DecodedText& text, std::span<float> scores)>;

// Returns the processors that the options ask for, in the order of generate(): none by default.
// `eos_ids`: all ids that end a hypothesis. Those of sampling (temperature, top_k, top_p) come
// last.
std::vector<LogitsProcessor> logits_processors(const SearchOptions& options, const Ids& eos_ids);

}  // namespace switchyard
