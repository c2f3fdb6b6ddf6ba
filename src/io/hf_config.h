// SPDX-License-Identifier: Apache-2.0
// Hugging Face's config.json <-> ModelConfig.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "src/nn/config.h"

namespace switchyard {

// Of our own keys in config.json; a file with a larger one was written by a newer version.
constexpr std::int64_t kFormatVersion = 1;

// config.json as the file says it, checked with validate(). encoder_sparse and decoder_sparse are
// what its steps (or our own lists under "switchyard") place; tie_word_embeddings is what it says.
// An absent field has Hugging Face's default for the model_type.
struct FileConfig {
  ModelConfig model;
  // Which layers are sparse stands in the file layer by layer, not as a step.
  bool encoder_layers_listed = false;
  bool decoder_layers_listed = false;
  // Our own key: whether the two stacks' embeddings are parameters of their own or copies.
  std::optional<bool> separate_embeddings;
  // The activation where the tensors show gated layers.
  Activation gated_act_fn = Activation::relu;
  // Settings of generate() in an old file, as settings_in_config() lists them.
  std::string generation_settings;
};
FileConfig read_config(const std::filesystem::path& path);

// The text of config.json, such that `transformers` loads it unchanged. A model without sparse
// layers is written as "t5". A warning names what Hugging Face cannot express.
std::string config_text(const ModelConfig& config);

// The model_type that a model is written as.
std::string written_model_type(const ModelConfig& config);

}  // namespace switchyard
