// SPDX-License-Identifier: Apache-2.0
#include "src/io/hf_correction.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <string_view>

#include "src/core/error.h"
#include "src/io/hf_config.h"

namespace switchyard {

namespace {

using nlohmann::json;
using Shape = std::vector<std::int64_t>;

// validate() accepts fewer layers; more are not counted.
constexpr std::size_t kMaxLayers = 1 << 12;

// What the tensors of one stack show.
struct StackShape {
  std::vector<bool> sparse;  // by block
  std::int64_t experts = 0;
  bool router_bias = false;
  Shape bias, query, wi;  // shapes; empty if there is no such tensor
};

StackShape shape_of_stack(const HfTensors& tensors, const std::string& stack) {
  StackShape s;
  const std::string prefix = stack + ".block.";
  for (auto it = tensors.all().lower_bound(prefix);
       it != tensors.all().end() && it->first.starts_with(prefix); ++it) {
    const auto& [name, found] = *it;
    const char* const end = name.data() + name.size();
    std::size_t block = 0;
    const auto [rest_begin, error] = std::from_chars(name.data() + prefix.size(), end, block);
    if (error != std::errc{} || rest_begin == end || *rest_begin != '.') continue;
    check(block < kMaxLayers, ErrorKind::kData, "tensor ", escaped(found.name), ": block ", block,
          ", expected fewer than ", kMaxLayers);
    const std::string_view rest(rest_begin, end);
    if (s.sparse.size() <= block) s.sparse.resize(block + 1);
    const auto ends = [&](std::string_view suffix) { return rest.ends_with(suffix); };
    const Shape& shape = found.tensor->shape;
    if (rest.find(".mlp.router.") != rest.npos || rest.find(".mlp.experts.") != rest.npos)
      s.sparse[block] = true;
    if (ends(".mlp.router.classifier.weight") && shape.size() == 2) s.experts = shape[0];
    if (ends(".mlp.router.classifier.bias")) s.router_bias = true;
    if (ends(".SelfAttention.relative_attention_bias.weight")) s.bias = shape;
    if (ends(".SelfAttention.q.weight")) s.query = shape;
    if (ends(".wi.weight") || ends(".wi_0.weight")) s.wi = shape;
  }
  return s;
}

// Sets fields and notes which of them were wrong.
class Correction {
 public:
  Correction(json& config, std::vector<std::string>& wrong) : config_(config), wrong_(wrong) {}

  // `otherwise` is the value that an absent field has.
  void set(const char* key, const json& value, const json& otherwise) {
    const json before = config_.contains(key) ? config_[key] : otherwise;
    if (before != value)
      wrong_.push_back(std::string(key) + ": " + text(before) + ", but the tensors say " +
                       text(value));
    config_[key] = value;
  }

 private:
  static std::string text(const json& value) {
    return escaped(value.dump(-1, ' ', false, json::error_handler_t::replace));
  }

  json& config_;
  std::vector<std::string>& wrong_;
};

json layers_of(const std::vector<bool>& sparse) {
  json list = json::array();
  for (std::size_t i = 0; i < sparse.size(); ++i)
    if (sparse[i]) list.push_back(i);
  return list;
}

// The sparse layers that config.json states; null if it makes no sense.
json stated_layers(const json& config, const std::string& stack, std::size_t layers) {
  const auto integer = [&](const std::string& key, std::int64_t otherwise) {
    const auto found = config.find(key);
    if (found == config.end() || !found->is_number_integer()) return otherwise;
    return found->get<std::int64_t>();
  };
  const auto ours = config.find("switchyard");
  if (ours != config.end() && ours->is_object() && ours->contains(stack + "_sparse_layers"))
    return (*ours)[stack + "_sparse_layers"];
  const auto n = static_cast<std::int64_t>(layers);
  const std::int64_t count = integer("num_sparse_" + stack + "_layers", 3);
  const std::int64_t step = integer(stack + "_sparse_step", count > 0 ? n / count : n);
  if (count < 0 || step < 0) return nullptr;
  return layers_of(sparse_layers_by_step(n, step));
}

void correct_placement(const StackShape& shape, const std::string& stack, json& config,
                       std::vector<std::string>& wrong) {
  if (shape.sparse.empty()) return;
  const json stated = stated_layers(config, stack, shape.sparse.size());
  const json layers = layers_of(shape.sparse);
  if (stated != layers)
    wrong.push_back("sparse layers of the " + stack + ": " + escaped(stated.dump()) +
                    ", but the tensors say " + layers.dump());
  config.erase(stack + "_sparse_step");
  config["num_sparse_" + stack + "_layers"] = layers.size();
  json& ours = config["switchyard"];
  if (!ours.is_object()) ours = json::object();
  ours[stack + "_sparse_layers"] = layers;
}

}  // namespace

std::vector<std::string> correct_config(HfTensors& tensors, json& config) {
  std::vector<std::string> wrong;
  Correction correct(config, wrong);
  const StackShape encoder = shape_of_stack(tensors, "encoder");
  const StackShape decoder = shape_of_stack(tensors, "decoder");
  const StackShape& any = encoder.query.empty() ? decoder : encoder;
  const std::int64_t experts = encoder.experts > 0 ? encoder.experts : decoder.experts;

  if (experts > 0) correct.set("model_type", "switch_transformers", nullptr);
  const bool t5 = config.value("model_type", json()) != "switch_transformers";
  const bool mt5 = config.value("model_type", json()) == "mt5";
  const auto by_type = [&](int of_switch, int of_t5, int of_mt5) {
    return mt5 ? of_mt5 : t5 ? of_t5 : of_switch;
  };

  const HfTensors::Found* shared = tensors.use_shared();
  if (shared && shared->tensor->shape.size() == 2) {
    correct.set("vocab_size", shared->tensor->shape[0], mt5 ? 250112 : 32128);
    correct.set("d_model", shared->tensor->shape[1], by_type(768, 512, 512));
  }
  if (!encoder.sparse.empty()) correct.set("num_layers", encoder.sparse.size(), by_type(12, 6, 8));
  if (!decoder.sparse.empty()) {
    const json symmetric = t5 ? config.value("num_layers", json()) : json(12);
    if (config.contains("num_decoder_layers") && config["num_decoder_layers"].is_null())
      config["num_decoder_layers"] = config.value("num_layers", json());
    correct.set("num_decoder_layers", decoder.sparse.size(), symmetric);
  }
  if (any.bias.size() == 2 && any.query.size() == 2 && any.bias[1] > 0 &&
      any.query[0] % any.bias[1] == 0) {
    correct.set("relative_attention_num_buckets", any.bias[0], 32);
    correct.set("num_heads", any.bias[1], by_type(12, 8, 6));
    correct.set("d_kv", any.query[0] / any.bias[1], 64);
  }
  if (any.wi.size() == 2) correct.set("d_ff", any.wi[0], mt5 ? 1024 : 2048);
  if (t5) return wrong;
  if (experts > 0) correct.set("num_experts", experts, 8);
  correct.set("router_bias", encoder.router_bias || decoder.router_bias, false);
  correct_placement(encoder, "encoder", config, wrong);
  correct_placement(decoder, "decoder", config, wrong);

  // Converters of T5X checkpoints store the head under this name if it is not tied.
  const HfTensors::Found* head = tensors.use_head();
  if (shared && head && head->name.ends_with("decoder.lm_head.weight") &&
      !tensors.source().same_values(head->name, shared->name))
    correct.set("tie_word_embeddings", false, true);
  return wrong;
}

}  // namespace switchyard
