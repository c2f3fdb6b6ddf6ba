// SPDX-License-Identifier: Apache-2.0
#include "src/io/t5x_names.h"

#include <algorithm>
#include <array>

namespace switchyard {

namespace {

struct Rule {
  std::string_view path;  // in a layer
  std::string_view name;  // in a block; '$' stands for the feed-forward's name
  std::size_t rank;
  bool transposed;
};

constexpr Rule kEncoder[] = {
    {"attention/query/kernel", "layer.0.SelfAttention.q.weight", 2, true},
    {"attention/key/kernel", "layer.0.SelfAttention.k.weight", 2, true},
    {"attention/value/kernel", "layer.0.SelfAttention.v.weight", 2, true},
    {"attention/out/kernel", "layer.0.SelfAttention.o.weight", 2, true},
    {"pre_attention_layer_norm/scale", "layer.0.layer_norm.weight", 1, false},
    {"pre_mlp_layer_norm/scale", "layer.1.layer_norm.weight", 1, false},
};

constexpr Rule kDecoder[] = {
    {"self_attention/query/kernel", "layer.0.SelfAttention.q.weight", 2, true},
    {"self_attention/key/kernel", "layer.0.SelfAttention.k.weight", 2, true},
    {"self_attention/value/kernel", "layer.0.SelfAttention.v.weight", 2, true},
    {"self_attention/out/kernel", "layer.0.SelfAttention.o.weight", 2, true},
    {"pre_self_attention_layer_norm/scale", "layer.0.layer_norm.weight", 1, false},
    {"encoder_decoder_attention/query/kernel", "layer.1.EncDecAttention.q.weight", 2, true},
    {"encoder_decoder_attention/key/kernel", "layer.1.EncDecAttention.k.weight", 2, true},
    {"encoder_decoder_attention/value/kernel", "layer.1.EncDecAttention.v.weight", 2, true},
    {"encoder_decoder_attention/out/kernel", "layer.1.EncDecAttention.o.weight", 2, true},
    {"pre_cross_attention_layer_norm/scale", "layer.1.layer_norm.weight", 1, false},
    {"pre_mlp_layer_norm/scale", "layer.2.layer_norm.weight", 1, false},
};

// In the feed-forward of either stack. '#' stands for an expert's number.
constexpr Rule kFeedForward[] = {
    {"mlp/wi/kernel", "$.wi.weight", 2, true},
    {"mlp/wi_0/kernel", "$.wi_0.weight", 2, true},
    {"mlp/wi_1/kernel", "$.wi_1.weight", 2, true},
    {"mlp/wo/kernel", "$.wo.weight", 2, true},
    {"mlp/expert/wi/kernel", "$.experts.expert_#.wi.weight", 3, true},
    {"mlp/expert/wi_0/kernel", "$.experts.expert_#.wi_0.weight", 3, true},
    {"mlp/expert/wi_1/kernel", "$.experts.expert_#.wi_1.weight", 3, true},
    {"mlp/expert/wo/kernel", "$.experts.expert_#.wo.weight", 3, true},
    {"mlp/router/router_weights/w/kernel", "$.router.classifier.weight", 2, true},
    {"mlp/router/router_weights/w/bias", "$.router.classifier.bias", 1, false},
};

constexpr Rule kOutside[] = {
    {"token_embedder/embedding", "shared.weight", 2, false},
    {"decoder/logits_dense/kernel", "lm_head.weight", 2, true},
    {"encoder/encoder_norm/scale", "encoder.final_layer_norm.weight", 1, false},
    {"decoder/decoder_norm/scale", "decoder.final_layer_norm.weight", 1, false},
    {"encoder/relpos_bias/rel_embedding",
     "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", 2, true},
    {"decoder/relpos_bias/rel_embedding",
     "decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", 2, true},
};

template <std::size_t kCount>
const Rule* find(const Rule (&rules)[kCount], std::string_view path) {
  const auto* found = std::find_if(std::begin(rules), std::end(rules),
                                   [&](const Rule& rule) { return rule.path == path; });
  return found == std::end(rules) ? nullptr : found;
}

T5xName name_by(const Rule& rule, std::string name) {
  T5xName result{std::move(name), "", rule.rank, rule.transposed};
  if (const std::size_t at = result.name.find('#'); at != std::string::npos) {
    result.suffix = result.name.substr(at + 1);
    result.name.resize(at);
  }
  return result;
}

// The digits of a layer's number, without leading zeros; at most four of them.
bool is_number(std::string_view text) {
  return !text.empty() && text.size() <= 4 && (text.front() != '0' || text.size() == 1) &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::optional<T5xName> hf_name_of(std::string_view path, bool switch_transformer) {
  if (const Rule* rule = find(kOutside, path)) return name_by(*rule, std::string(rule->name));
  const bool encoder = path.starts_with("encoder/layers_");
  if (!encoder && !path.starts_with("decoder/layers_")) return std::nullopt;
  const std::string_view layer = path.substr(std::string_view("encoder/layers_").size());
  const std::size_t end = std::min(layer.find('/'), layer.size());
  if (!is_number(layer.substr(0, end)) || end == layer.size()) return std::nullopt;
  const std::string_view in_layer = layer.substr(end + 1);
  const std::string block = std::string(encoder ? "encoder" : "decoder") + ".block." +
                            std::string(layer.substr(0, end)) + ".";
  if (const Rule* rule = encoder ? find(kEncoder, in_layer) : find(kDecoder, in_layer))
    return name_by(*rule, block + std::string(rule->name));
  const Rule* rule = find(kFeedForward, in_layer);
  if (!rule) return std::nullopt;
  return name_by(*rule, block + (encoder ? "layer.1." : "layer.2.") +
                            (switch_transformer ? "mlp" : "DenseReluDense") +
                            std::string(rule->name.substr(1)));
}

bool is_of_experts(std::string_view path) {
  return path.find("/mlp/expert/") != path.npos || path.find("/mlp/router/") != path.npos;
}

}  // namespace switchyard
