// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <string>
#include <string_view>

#include "src/core/error.h"
#include "src/core/json.h"
#include "src/core/log.h"
#include "src/io/gin.h"
#include "src/io/t5x_config.h"

namespace switchyard {

namespace {

using nlohmann::json;

struct Field {
  const char* hf;
  // Names in gin files: of T5X's own T5 (examples/t5), of flaxformer's modules, and of the macros
  // in flaxformer's configs. The first that has a value is used.
  std::array<std::string_view, 3> names;
  bool integer;
};

constexpr Field kFields[] = {
    {"vocab_size", {"T5Config.vocab_size", "Embed.num_embeddings", "NUM_EMBEDDINGS"}, true},
    {"d_model", {"T5Config.emb_dim", "Embed.features", "EMBED_DIM"}, true},
    {"d_kv", {"T5Config.head_dim", "HEAD_DIM"}, true},
    {"d_ff", {"T5Config.mlp_dim", "MLP_DIM"}, true},
    {"num_heads", {"T5Config.num_heads", "NUM_HEADS"}, true},
    {"num_layers", {"T5Config.num_encoder_layers", "NUM_ENCODER_LAYERS"}, true},
    {"num_decoder_layers", {"T5Config.num_decoder_layers", "NUM_DECODER_LAYERS"}, true},
    {"num_experts", {"MoeLayer.num_experts", "NUM_EXPERTS"}, true},
    {"relative_attention_max_distance", {"RelativePositionBiases.max_distance"}, true},
    {"dropout_rate", {"T5Config.dropout_rate", "DROPOUT_RATE"}, false},
    {"layer_norm_epsilon", {"T5LayerNorm.epsilon"}, false},
    {"router_jitter_noise", {"TokensChooseMaskedRouter.jitter_noise", "JITTER_NOISE"}, false},
    {"router_aux_loss_coef", {"MoeEncoderDecoderModel.aux_loss_factor", "AUX_LOSS_FACTOR"}, false},
    {"router_z_loss_coef",
     {"MoeEncoderDecoderModel.router_z_loss_factor", "ROUTER_Z_LOSS_FACTOR"},
     false},
};

template <std::size_t kCount>
std::optional<json> find_first(const GinFile& gin,
                               const std::array<std::string_view, kCount>& names) {
  for (const std::string_view name : names)
    if (!name.empty())
      if (auto value = gin.find(name)) return value;
  return std::nullopt;
}

// Switch Transformers: a token's router picks one expert.
void check_routing(const GinFile& gin) {
  const std::string name = escaped(gin.path().native());
  for (const GinBinding& binding : gin.bindings())
    check(binding.value.find("ExpertsChoose") == std::string::npos, ErrorKind::kData, name, ":",
          binding.line, ": ", escaped(binding.value),
          ": experts that pick their tokens, expected tokens that pick their expert");
  const auto selected =
      find_first<2>(gin, {"TokensChooseMaskedRouter.num_selected_experts", "NUM_SELECTED_EXPERTS"});
  check(!selected || *selected == 1, ErrorKind::kData, name,
        ": NUM_SELECTED_EXPERTS: ", selected ? value_text(*selected) : "", ", expected 1");
}

// Flax's gelu is the approximation by tanh, which Hugging Face calls gelu_new.
std::string hf_activation(const std::string& flax) {
  if (flax == "gelu") return "gelu_new";
  if (flax == "swish") return "silu";
  return flax == "relu" || flax == "silu" ? flax : "";
}

void set_activation(const GinFile& gin, json& config) {
  const std::string name = escaped(gin.path().native());
  const auto found = find_first<2>(gin, {"T5Config.mlp_activations", "MlpBlock.activations"});
  std::string included;
  for (const std::string& file : gin.includes()) included += " " + file;
  check(found.has_value(), ErrorKind::kData, name, ": no value for dense.MlpBlock.activations, ",
        "expected ('relu',) or another",
        included.empty() ? "" : "; it may be in an included file:" + escaped(included));
  const bool listed = found->is_array() && (found->size() == 1 || found->size() == 2);
  const bool gated = listed && found->size() == 2;
  std::string act;
  if (listed && found->front().is_string()) act = hf_activation(found->front());
  check(!act.empty() && (!gated || found->back() == "linear"), ErrorKind::kData, name,
        ": dense.MlpBlock.activations: ", value_text(*found),
        ", expected (\"ACT\",) or (\"ACT\", \"linear\") where ACT is relu, gelu, silu or swish");
  config["dense_act_fn"] = act;
  // For Hugging Face, "gated-gelu" means gelu_new.
  config["feed_forward_proj"] = !gated ? act : act == "gelu_new" ? "gated-gelu" : "gated-" + act;
}

}  // namespace

json config_from_gin(const std::filesystem::path& path) {
  const GinFile gin(path);
  check_routing(gin);
  json config = json::object();
  for (const Field& field : kFields) {
    const auto value = find_first(gin, field.names);
    if (!value) continue;
    check(field.integer ? value->is_number_integer() : value->is_number(), ErrorKind::kData,
          escaped(path.native()), ": ", field.names[0], ": ", value_text(*value), ", expected ",
          field.integer ? "an integer" : "a number");
    config[field.hf] = *value;
  }
  set_activation(gin, config);
  if (!gin.includes().empty())
    log_warning(escaped(path.native()) + ": included files are not read: " +
                escaped(gin.includes().front()) + (gin.includes().size() > 1 ? ", ..." : ""));
  return config;
}

}  // namespace switchyard
