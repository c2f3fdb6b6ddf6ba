// SPDX-License-Identifier: Apache-2.0
// ModelConfig, with Hugging Face's field names and defaults (configuration_switch_transformers.py,
// configuration_t5.py). Read and written by io/hf_config; validated once, when it is read or
// created.
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
  // Which blocks have experts: num_layers and num_decoder_layers elements. See sparse_layers().
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
  // Each stack has its own embed_tokens.weight instead of using shared.weight, as in Switch models
  // that transformers 5 creates with tie_word_embeddings false.
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

// Limits on search options.
constexpr float kMinPenalty = 0.001f, kMaxPenalty = 1000;  // for repetition
constexpr float kMinTemperature = 0.0001f, kMaxTemperature = 10000;
constexpr std::int64_t kMaxNumBeams = 1024;
constexpr std::int64_t kMaxNewTokens = 1 << 20;

// Checks the range of every field, the consistency of the sizes, and that there are fewer than 2^41
// parameters. Error(kData) names the field, the value found and the range expected.
void validate(const ModelConfig& config);

// Hugging Face's placement of `sparse` sparse blocks among `layers`: with step = layers / sparse,
// block i is sparse if step == 1 or i % step == 1. Unlike there, 0 means none. Error(kUsage) if
// this places a different number of blocks; the message lists the possible numbers.
std::vector<bool> sparse_layers(std::int64_t layers, std::int64_t sparse);
// The same for a given step (encoder_sparse_step in config.json); step 0: none.
std::vector<bool> sparse_layers_by_step(std::int64_t layers, std::int64_t step);

// Accepts "relu", "gelu", "gelu_new", "silu" and "swish"; Error(kData) names any other.
Activation activation_from_name(const std::string& name);
std::string activation_name(Activation act);

}  // namespace switchyard
