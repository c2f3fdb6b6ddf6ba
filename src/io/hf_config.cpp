// SPDX-License-Identifier: Apache-2.0
#include "src/io/hf_config.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "src/core/error.h"
#include "src/core/json.h"
#include "src/core/log.h"
#include "src/io/generation_settings.h"

namespace switchyard {

namespace {

using nlohmann::json;

// validate() rejects more layers; until then nothing is sized by their number.
constexpr std::int64_t kMaxLayers = 1 << 10;

// Fields that are read here or that do not affect the computation.
constexpr std::array<std::string_view, 51> kKnownFields = {
    "_name_or_path",
    "add_cross_attention",
    "add_router_probs",
    "architectures",
    "bos_token_id",
    "classifier_dropout",
    "d_ff",
    "d_kv",
    "d_model",
    "decoder_sparse_step",
    "decoder_start_token_id",
    "dense_act_fn",
    "dropout_rate",
    "dtype",
    "encoder_sparse_step",
    "eos_token_id",
    "expert_capacity",
    "feed_forward_proj",
    "gradient_checkpointing",
    "initializer_factor",
    "is_decoder",
    "is_encoder_decoder",
    "is_gated_act",
    "layer_norm_epsilon",
    "model_type",
    "n_positions",
    "num_decoder_layers",
    "num_experts",
    "num_heads",
    "num_layers",
    "num_sparse_decoder_layers",
    "num_sparse_encoder_layers",
    "output_past",
    "pad_token_id",
    "relative_attention_max_distance",
    "relative_attention_num_buckets",
    "router_aux_loss_coef",
    "router_bias",
    "router_dtype",
    "router_ignore_padding_tokens",
    "router_jitter_noise",
    "router_type",
    "router_z_loss_coef",
    "scale_decoder_outputs",
    "switchyard",
    "task_specific_params",
    "tie_word_embeddings",
    "torch_dtype",
    "transformers_version",
    "use_cache",
    "vocab_size",
};

static_assert(std::is_sorted(kKnownFields.begin(), kKnownFields.end()));

// A value as it may be printed in a message.
std::string text_of(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

bool is_null(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_null();
}

void note_unknown_fields(const json& object) {
  std::string unknown;
  for (const auto& [key, value] : object.items())
    if (!std::binary_search(kKnownFields.begin(), kKnownFields.end(), key))
      unknown += (unknown.empty() ? "" : ", ") + key;
  if (!unknown.empty()) log_verbose("config.json: ignored fields: " + escaped(unknown));
}

// T5's feed_forward_proj: "ACT" or "gated-ACT", where "gated-gelu" means gelu_new
// (configuration_t5.py).
Activation parse_feed_forward_proj(const std::string& text, bool& gated) {
  constexpr std::string_view kGated = "gated-";
  gated = text.compare(0, kGated.size(), kGated) == 0;
  if (text == "gated-gelu") return Activation::gelu_new;
  return with_context("feed_forward_proj", [&] {
    return activation_from_name(gated ? text.substr(kGated.size()) : text);
  });
}

// The activation that config.json names directly, if any. It takes precedence over
// feed_forward_proj, as in transformers (tested with 4.57.6 and 5.24.0).
std::optional<Activation> read_dense_act_fn(const json& object) {
  std::string text;
  if (!get_field(object, "dense_act_fn", text)) return std::nullopt;
  return with_context("dense_act_fn", [&] {
    return text == "gated-gelu" ? Activation::gelu_new : activation_from_name(text);
  });
}

// Returns which of a stack's `layers` blocks are sparse according to its count and step; empty if
// `layers` is out of range, which validate() reports.
std::vector<bool> placed_by_step(const json& object, std::int64_t layers, const char* count_key,
                                 const char* step_key) {
  std::int64_t count = 3;  // Hugging Face's default
  get_field(object, count_key, count);
  check(count >= 0 && count <= kMaxLayers, ErrorKind::kData, count_key, ": ", count,
        ", expected 0 to ", kMaxLayers);
  std::int64_t step = count > 0 ? layers / count : layers;
  if (get_field(object, step_key, step))
    check(step >= 0 && step <= kMaxLayers, ErrorKind::kData, step_key, ": ", step,
          ", expected 0 to ", kMaxLayers);
  if (layers < 1 || layers > kMaxLayers) return {};
  return sparse_layers_by_step(layers, step);
}

// Reads our own list of sparse layers, if present: it expresses placements that no step can.
bool read_layer_list(const json& ours, const char* key, std::vector<bool>& sparse) {
  const auto list = ours.find(key);
  if (list == ours.end()) return false;
  check(list->is_array(), ErrorKind::kData, "switchyard.", key, ": expected an array of layers");
  std::fill(sparse.begin(), sparse.end(), false);
  for (const json& layer : *list) {
    const bool ok = layer.is_number_unsigned() && layer.get<std::uint64_t>() < sparse.size();
    check(ok, ErrorKind::kData, "switchyard.", key, ": ", escaped(layer.dump()),
          ", expected layer numbers below ", sparse.size());
    sparse[layer.get<std::size_t>()] = true;
  }
  return true;
}

void read_shared_fields(const json& object, ModelConfig& c) {
  get_field(object, "vocab_size", c.vocab_size);
  get_field(object, "d_model", c.d_model);
  get_field(object, "d_kv", c.d_kv);
  get_field(object, "d_ff", c.d_ff);
  get_field(object, "num_heads", c.num_heads);
  get_field(object, "num_layers", c.num_layers);
  if (is_null(object, "num_decoder_layers"))
    c.num_decoder_layers = c.num_layers;
  else if (!get_field(object, "num_decoder_layers", c.num_decoder_layers) && c.model_type == "t5")
    c.num_decoder_layers = c.num_layers;
  get_field(object, "relative_attention_num_buckets", c.relative_attention_num_buckets);
  get_field(object, "relative_attention_max_distance", c.relative_attention_max_distance);
  get_field(object, "dropout_rate", c.dropout_rate);
  get_field(object, "initializer_factor", c.initializer_factor);
  get_field(object, "layer_norm_epsilon", c.layer_norm_epsilon);
  get_field(object, "pad_token_id", c.pad_token_id);
  get_field(object, "eos_token_id", c.eos_token_id);
  c.decoder_start_token_id = c.pad_token_id;
  if (!is_null(object, "decoder_start_token_id"))
    get_field(object, "decoder_start_token_id", c.decoder_start_token_id);
  bool is_encoder_decoder = true;
  get_field(object, "is_encoder_decoder", is_encoder_decoder);
  check(is_encoder_decoder, ErrorKind::kData, "is_encoder_decoder: false, expected true");
  get_field(object, "tie_word_embeddings", c.tie_word_embeddings);
}

void set_t5_defaults(ModelConfig& c) {  // configuration_t5.py
  c.d_model = 512;
  c.num_layers = 6;
  c.num_heads = 8;
}

// configuration_mt5.py of transformers 5.24; the rest is read as a "t5".
void set_mt5_defaults(ModelConfig& c) {
  c.model_type = "t5";
  c.vocab_size = 250112;
  c.d_model = 512;
  c.d_ff = 1024;
  c.num_layers = 8;
  c.num_heads = 6;
}

void read_t5_fields(const json& object, bool mt5, FileConfig& file) {
  ModelConfig& c = file.model;
  std::string text = mt5 ? "gated-gelu" : "relu";
  get_field(object, "feed_forward_proj", text);
  const Activation derived = parse_feed_forward_proj(text, c.is_gated_act);
  c.dense_act_fn = file.gated_act_fn = read_dense_act_fn(object).value_or(derived);
  get_field(object, "is_gated_act", c.is_gated_act);
  // configuration_t5.py: v1.1, recognized by tie_word_embeddings false, does not scale.
  c.scale_decoder_outputs = c.tie_word_embeddings;
  get_field(object, "scale_decoder_outputs", c.scale_decoder_outputs);
  // transformers 5 never scales mT5's output; 4.57 does so if the head is tied.
  if (mt5) c.scale_decoder_outputs = false;
  c.num_experts = 1;
}

void read_switch_fields(const json& object, FileConfig& file) {
  ModelConfig& c = file.model;
  get_field(object, "num_experts", c.num_experts);
  get_field(object, "expert_capacity", c.expert_capacity);
  get_field(object, "router_bias", c.router_bias);
  get_field(object, "router_jitter_noise", c.router_jitter_noise);
  get_field(object, "router_z_loss_coef", c.router_z_loss_coef);
  get_field(object, "router_aux_loss_coef", c.router_aux_loss_coef);
  std::string text = "float32";
  get_field(object, "router_dtype", text);
  check(text == "float32" || text == "float16" || text == "bfloat16", ErrorKind::kData,
        "router_dtype: \"", escaped(text), "\", expected float32, float16 or bfloat16");
  const std::optional<Activation> act = read_dense_act_fn(object);
  c.dense_act_fn = file.gated_act_fn = act.value_or(Activation::relu);
  // Hugging Face has no gated Switch model; configs of converted models use T5's field.
  bool gated = false;
  if (get_field(object, "feed_forward_proj", text)) {
    const Activation derived = parse_feed_forward_proj(text, gated);
    if (gated && !act) file.gated_act_fn = derived;
  }
  c.scale_decoder_outputs = c.tie_word_embeddings;
}

}  // namespace

void resolve_aliases(json& config) {
  constexpr std::pair<const char*, const char*> kAliases[] = {{"head_dim", "d_kv"},
                                                              {"hidden_size", "d_model"},
                                                              {"num_attention_heads", "num_heads"},
                                                              {"num_hidden_layers", "num_layers"}};
  for (const auto& [alias, key] : kAliases) {
    const auto found = config.find(alias);
    if (found == config.end()) continue;
    const auto named = config.find(key);
    if (named != config.end() && *named != *found)
      fail(ErrorKind::kData, key, ": ", escaped(text_of(*named)), ", but ", alias, " says ",
           escaped(text_of(*found)));
    config[key] = *found;
    config.erase(alias);
  }
}

FileConfig parse_config(json object) {
  FileConfig file;
  ModelConfig& c = file.model;
  check(get_field(object, "model_type", c.model_type), ErrorKind::kData,
        "model_type: missing, expected \"switch_transformers\", \"t5\" or \"mt5\"");
  const bool mt5 = c.model_type == "mt5";
  if (mt5) set_mt5_defaults(c);
  const bool t5 = c.model_type == "t5";
  check(t5 || c.model_type == "switch_transformers", ErrorKind::kData, "model_type: \"",
        escaped(c.model_type), "\", expected \"switch_transformers\", \"t5\" or \"mt5\"");
  if (t5 && !mt5) set_t5_defaults(c);
  resolve_aliases(object);
  note_unknown_fields(object);
  file.generation_settings = settings_in_config(object);
  read_shared_fields(object, c);
  if (t5) {
    read_t5_fields(object, mt5, file);
    const auto dense = [](std::int64_t layers) {
      return std::vector<bool>(
          static_cast<std::size_t>(std::clamp<std::int64_t>(layers, 0, kMaxLayers)), false);
    };
    c.encoder_sparse = dense(c.num_layers);
    c.decoder_sparse = dense(c.num_decoder_layers);
  } else {
    read_switch_fields(object, file);
    c.encoder_sparse =
        placed_by_step(object, c.num_layers, "num_sparse_encoder_layers", "encoder_sparse_step");
    c.decoder_sparse = placed_by_step(object, c.num_decoder_layers, "num_sparse_decoder_layers",
                                      "decoder_sparse_step");
  }
  const auto ours = object.find("switchyard");
  if (ours != object.end()) {
    check(ours->is_object(), ErrorKind::kData, "switchyard: expected an object");
    std::int64_t version = kFormatVersion;
    get_field(*ours, "format_version", version);
    check(version <= kFormatVersion, ErrorKind::kData, "switchyard.format_version: ", version,
          ", expected at most ", kFormatVersion, ": a newer version wrote this model");
    file.encoder_layers_listed = read_layer_list(*ours, "encoder_sparse_layers", c.encoder_sparse);
    file.decoder_layers_listed = read_layer_list(*ours, "decoder_sparse_layers", c.decoder_sparse);
    bool separate = false;
    if (get_field(*ours, "separate_embeddings", separate)) file.separate_embeddings = separate;
  }
  validate(c);
  return file;
}

FileConfig read_config(const std::filesystem::path& path) {
  json object = read_json_object(path);
  return with_context(escaped(path.native()), [&] { return parse_config(std::move(object)); });
}

}  // namespace switchyard
