// SPDX-License-Identifier: Apache-2.0
// switch-translate's options for the search: generate()'s, by Hugging Face's names or by older ones
// (--beam-size for num_beams).
#pragma once

#include <cstdint>
#include <optional>

#include "src/decode/search_options.h"
#include "src/io/generation_config.h"
#include "tools/options.h"

namespace switchyard {

struct SearchFlags {
  SearchOptions search;
  std::optional<std::int64_t> max_length;

  // Adds the groups "Search", "Tokens" and "Sampling".
  void declare(Options& options);
  // After parsing: sets options that were not given from the model's generation_config.json.
  void complete(const Options& options, const GenerationConfig& file);
};

}  // namespace switchyard
