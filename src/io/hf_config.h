// SPDX-License-Identifier: Apache-2.0
// Reads and writes Hugging Face's config.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "src/nn/config.h"

namespace switchyard {

// Version of our own keys in config.json. Files with a larger one come from a newer program.
constexpr std::int64_t kFormatVersion = 1;

// The contents of config.json, before the tensors are consulted (io/hf_architecture). An absent
// field has Hugging Face's default for the model_type.
struct FileConfig {
  // Passes validate(). The model_type "mt5" is read as "t5". encoder_sparse and decoder_sparse
  // follow from the file's steps or from our own lists under "switchyard".
  ModelConfig model;
  // The file lists the sparse layers of this stack one by one, under "switchyard".
  bool encoder_layers_listed = false;
  bool decoder_layers_listed = false;
  // Our own key: true if encoder and decoder have separate embeddings, false if they share one.
  std::optional<bool> separate_embeddings;
  // The activation to use if the tensors show gated layers.
  Activation gated_act_fn = Activation::relu;
  // settings_in_config() of an old file.
  std::string generation_settings;
};
// Error(kRuntime) if the file cannot be read, Error(kData) naming the field if a value is out of
// range.
FileConfig read_config(const std::filesystem::path& path);
// The same for the contents of the file; errors start with the field.
FileConfig parse_config(nlohmann::json object);

// Renames fields from Hugging Face's other names for them: hidden_size means d_model. Error(kData)
// if a field has both names and two values.
void resolve_aliases(nlohmann::json& config);

// Returns the contents of a config.json that `transformers` loads unchanged. A model without sparse
// layers is written as "t5". Warns about what Hugging Face's format cannot express.
std::string config_text(const ModelConfig& config);

// The model_type under which a model is saved: "t5" if it has no sparse layers.
std::string written_model_type(const ModelConfig& config);

}  // namespace switchyard
