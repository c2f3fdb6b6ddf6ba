// SPDX-License-Identifier: Apache-2.0
// ModelConfig: Hugging Face's field names (configuration_switch_transformers.py,
// configuration_t5.py) and defaults. Read and written by io/hf; validated once, where it is read
// or made.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "src/backend/backend.h"

namespace switchyard {

struct ModelConfig {
  std::string model_type = "switch_transformers";  // or "t5": no sparse layers
  std::int64_t vocab_size = 32128;
  std::int64_t d_model = 768;
  std::int64_t d_kv = 64;
  std::int64_t d_ff = 2048;
  std::int64_t num_heads = 12;
  std::int64_t num_layers = 12;
  std::int64_t num_decoder_layers = 12;
  std::int64_t num_experts = 8;
  // Which blocks have experts; sizes num_layers and num_decoder_layers. See sparse_layers().
  std::vector<bool> encoder_sparse = std::vector<bool>(12, false);
  std::vector<bool> decoder_sparse = std::vector<bool>(12, false);
  std::int64_t expert_capacity = 64;  // Hugging Face's: tokens per expert and sequence
  bool router_bias = false;
  float router_jitter_noise = 0.01f;
  float router_z_loss_coef = 0.001f;
  float router_aux_loss_coef = 0.001f;
  std::int64_t relative_attention_num_buckets = 32;
  std::int64_t relative_attention_max_distance = 128;
  float dropout_rate = 0.1f;
  float initializer_factor = 1.0f;
  float layer_norm_epsilon = 1e-6f;
  Activation dense_act_fn = Activation::relu;
  bool is_gated_act = false;
  // Each stack has its own embed_tokens.weight instead of shared.weight, as transformers 5 creates
  // Switch models with tie_word_embeddings false.
  bool separate_embeddings = false;
  bool tie_word_embeddings = true;    // there is no lm_head.weight
  bool scale_decoder_outputs = true;  // h * d_model^-0.5 before the head
  std::int64_t pad_token_id = 0;
  std::int64_t eos_token_id = 1;
  std::int64_t decoder_start_token_id = 0;

  std::int64_t inner_dim() const { return num_heads * d_kv; }
  std::int64_t sparse_count() const;  // sparse blocks of both stacks

  bool operator==(const ModelConfig&) const = default;
};

// Limits of a search's options.
constexpr std::int64_t kMaxNumBeams = 1024;
constexpr std::int64_t kMaxNewTokens = 1 << 20;

// Checks the range of every field, that sizes are consistent, and that the parameter count is
// below 2^41. Error(kData) names the field, the value found and the range expected.
void validate(const ModelConfig& config);

// Hugging Face's placement of `sparse` sparse blocks among `layers`: with step = layers / sparse,
// block i is sparse if step == 1 or i % step == 1. Unlike there, 0 means none, and Error(kUsage) if
// this places another number of blocks, naming the numbers that are possible.
std::vector<bool> sparse_layers(std::int64_t layers, std::int64_t sparse);
// The same for a given step (encoder_sparse_step in config.json); step 0: none.
std::vector<bool> sparse_layers_by_step(std::int64_t layers, std::int64_t step);

// "relu", "gelu", "gelu_new", "silu" or "swish"; Error(kData) names an unknown one.
Activation activation_from_name(const std::string& name);
std::string activation_name(Activation act);

}  // namespace switchyard
