// SPDX-License-Identifier: Apache-2.0
// Search options from a model's generation_config.json, as generate() takes them.
#pragma once

#include <functional>
#include <string_view>

#include "src/decode/search_options.h"
#include "src/io/generation_config.h"

namespace switchyard {

// Sets the options that the file sets, except those for which given() returns true; it is called
// with their keys in the file. Where transformers lets one key override another (min_new_tokens and
// min_length), a given one overrides both keys of the file. Sampling without num_beams has no beam.
void apply_generation_config(const GenerationConfig& file,
                             const std::function<bool(std::string_view key)>& given,
                             SearchOptions& options);

}  // namespace switchyard
