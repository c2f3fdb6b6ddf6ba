// SPDX-License-Identifier: Apache-2.0
// Reads and writes Hugging Face's generation_config.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "src/core/early_stopping.h"
#include "src/core/ids.h"
#include "src/nn/config.h"

namespace switchyard {

// The supported settings, named as in the file; a field is empty if the file does not set it.
// Command-line options override them.
struct GenerationConfig {
  std::optional<std::int64_t> num_beams, num_return_sequences;
  std::optional<float> length_penalty;
  std::optional<EarlyStopping> early_stopping;
  std::optional<std::int64_t> max_new_tokens;  // or max_length - 1 if only that is set
  std::optional<std::int64_t> min_new_tokens;
  std::optional<std::int64_t> min_length;  // unless min_new_tokens is set, which overrides it
  std::optional<float> repetition_penalty, encoder_repetition_penalty;
  std::optional<std::int64_t> no_repeat_ngram_size, encoder_no_repeat_ngram_size;
  std::optional<std::vector<Ids>> bad_words_ids;
  std::optional<Ids> suppress_tokens, begin_suppress_tokens;
  std::optional<std::int32_t> forced_bos_token_id;
  std::optional<Ids> forced_eos_token_id;
  std::optional<bool> do_sample;
  std::optional<float> temperature, top_p;
  std::optional<std::int64_t> top_k;
  std::optional<Ids> more_eos_ids;  // of eos_token_id, if that is a list: all but the model's

  bool operator==(const GenerationConfig&) const = default;
};

// Reads the file and sets the token ids of `model`, overriding those of config.json. If
// eos_token_id is a list, the model keeps its own if that is in it, else takes the first. Returns
// an empty GenerationConfig if the file is missing. Warns about settings that are not implemented.
// Error(kData) naming the field if a value is out of range.
GenerationConfig read_generation_config(const std::filesystem::path& path, ModelConfig& model);

// Returns the contents of generation_config.json.
std::string generation_config_text(const ModelConfig& config, const GenerationConfig& generation);

}  // namespace switchyard
