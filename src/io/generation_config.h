// SPDX-License-Identifier: Apache-2.0
// Hugging Face's generation_config.json <-> GenerationConfig.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "src/nn/config.h"

namespace switchyard {

// What generation_config.json says; a field it does not have is empty. Options of the command line
// stand over it.
struct GenerationConfig {
  std::optional<std::int64_t> num_beams;
  std::optional<float> length_penalty;
  std::optional<bool> early_stopping;
  std::optional<std::int64_t> max_new_tokens;  // of max_new_tokens, else max_length - 1
};

// The token ids of a generation_config.json stand over config.json's: set in `model`. A missing
// file is an empty GenerationConfig. A warning lists the settings that are not implemented.
GenerationConfig read_generation_config(const std::filesystem::path& path, ModelConfig& model);

std::string generation_config_text(const ModelConfig& config, const GenerationConfig& generation);

}  // namespace switchyard
