// SPDX-License-Identifier: Apache-2.0
// Reads and writes Hugging Face's generation_config.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "src/nn/config.h"

namespace switchyard {

// The supported settings; a field is empty if the file does not set it. Command-line options
// override them.
struct GenerationConfig {
  std::optional<std::int64_t> num_beams;
  std::optional<float> length_penalty;
  std::optional<bool> early_stopping;
  std::optional<std::int64_t> max_new_tokens;  // or max_length - 1 if only that is set
};

// Reads the file and sets the token ids of `model`, overriding those of config.json. Returns an
// empty GenerationConfig if the file is missing. Warns about settings that are not implemented.
// Error(kData) naming the field if a value is out of range.
GenerationConfig read_generation_config(const std::filesystem::path& path, ModelConfig& model);

// Returns the contents of generation_config.json.
std::string generation_config_text(const ModelConfig& config, const GenerationConfig& generation);

}  // namespace switchyard
