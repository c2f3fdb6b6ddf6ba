// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "src/core/json.h"
#include "src/core/log.h"
#include "src/io/hf_config.h"

namespace switchyard {

namespace {

using nlohmann::json;

// Hugging Face's "gated-gelu" means gelu_new; dense_act_fn, which is also written, distinguishes it
// from the exact gelu.
std::string feed_forward_proj(const ModelConfig& config) {
  if (!config.is_gated_act) return activation_name(config.dense_act_fn);
  if (config.dense_act_fn == Activation::gelu_new) return "gated-gelu";
  return "gated-" + activation_name(config.dense_act_fn);
}

// Returns the step that yields this placement in Hugging Face, or layers / count if none does.
std::int64_t sparse_step(const std::vector<bool>& sparse) {
  const auto layers = static_cast<std::int64_t>(sparse.size());
  const auto count = std::count(sparse.begin(), sparse.end(), true);
  if (count == 0) return 0;
  const std::int64_t usual = layers / count;
  if (sparse_layers_by_step(layers, usual) == sparse) return usual;
  for (std::int64_t step = 1; step <= layers; ++step)
    if (sparse_layers_by_step(layers, step) == sparse) return step;
  return usual;
}

// Writes which layers of a stack ("encoder") are sparse: as a step and, if no step yields this
// placement, layer by layer under our own key.
void write_placement(const std::vector<bool>& sparse, const std::string& stack, json& out) {
  const std::int64_t step = sparse_step(sparse);
  out[stack + "_sparse_step"] = step;
  out["num_sparse_" + stack + "_layers"] = std::count(sparse.begin(), sparse.end(), true);
  if (sparse_layers_by_step(static_cast<std::int64_t>(sparse.size()), step) == sparse) return;
  json list = json::array();
  for (std::size_t i = 0; i < sparse.size(); ++i)
    if (sparse[i]) list.push_back(i);
  out["switchyard"][stack + "_sparse_layers"] = list;
  log_warning("Hugging Face's config.json cannot express which layers of the " + stack +
              " are sparse; only this program will load the model correctly");
}

}  // namespace

std::string written_model_type(const ModelConfig& config) {
  return config.sparse_count() == 0 ? "t5" : "switch_transformers";
}

std::string config_text(const ModelConfig& c) {
  const bool t5 = written_model_type(c) == "t5";
  json out = {
      {"architectures",
       {t5 ? "T5ForConditionalGeneration" : "SwitchTransformersForConditionalGeneration"}},
      {"d_ff", c.d_ff},
      {"d_kv", c.d_kv},
      {"d_model", c.d_model},
      {"decoder_start_token_id", c.decoder_start_token_id},
      {"dense_act_fn", activation_name(c.dense_act_fn)},
      {"dropout_rate", shortest_decimal(c.dropout_rate)},
      {"dtype", "float32"},
      {"eos_token_id", c.eos_token_id},
      {"initializer_factor", shortest_decimal(c.initializer_factor)},
      {"is_decoder", false},
      {"is_encoder_decoder", true},
      {"layer_norm_epsilon", shortest_decimal(c.layer_norm_epsilon)},
      {"model_type", written_model_type(c)},
      {"num_decoder_layers", c.num_decoder_layers},
      {"num_heads", c.num_heads},
      {"num_layers", c.num_layers},
      {"pad_token_id", c.pad_token_id},
      {"relative_attention_max_distance", c.relative_attention_max_distance},
      {"relative_attention_num_buckets", c.relative_attention_num_buckets},
      {"switchyard", {{"format_version", kFormatVersion}}},
      {"use_cache", true},
      {"vocab_size", c.vocab_size},
  };
  if (t5) {
    out["feed_forward_proj"] = feed_forward_proj(c);
    out["is_gated_act"] = c.is_gated_act;
    out["tie_word_embeddings"] = c.tie_word_embeddings;
    out["scale_decoder_outputs"] = c.scale_decoder_outputs;
  } else {
    if (c.is_gated_act)
      log_warning(
          "Hugging Face has no Switch Transformer with gated feed-forwards; only this "
          "program will load the model correctly");
    out["add_cross_attention"] = false;
    out["add_router_probs"] = false;
    out["bos_token_id"] = nullptr;
    write_placement(c.encoder_sparse, "encoder", out);
    write_placement(c.decoder_sparse, "decoder", out);
    if (!c.scale_decoder_outputs) out["switchyard"]["separate_embeddings"] = c.separate_embeddings;
    out["expert_capacity"] = c.expert_capacity;
    out["num_experts"] = c.num_experts;
    out["router_aux_loss_coef"] = shortest_decimal(c.router_aux_loss_coef);
    out["router_bias"] = c.router_bias;
    out["router_dtype"] = "float32";
    out["router_ignore_padding_tokens"] = false;
    out["router_jitter_noise"] = shortest_decimal(c.router_jitter_noise);
    out["router_z_loss_coef"] = shortest_decimal(c.router_z_loss_coef);
    // Hugging Face derives the scale of the decoder's output from this field alone; the tensors
    // show whether the head is tied.
    out["tie_word_embeddings"] = c.scale_decoder_outputs;
  }
  return out.dump(2) + "\n";
}

}  // namespace switchyard
