// SPDX-License-Identifier: Apache-2.0
#include "src/io/t5x_config.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <set>
#include <string>
#include <string_view>

#include "src/core/error.h"
#include "src/core/json.h"
#include "src/core/log.h"

namespace switchyard {

namespace {

using nlohmann::json;

// What the tensors of a stack show.
struct Stack {
  std::int64_t layers = 0;
  std::int64_t experts = 0;
  std::set<std::int64_t> sparse;
  std::string ffn;  // the first matrix of a feed-forward, or of an expert's
  bool gated = false;
  bool router_bias = false;
};

// The number at the start of `text`, which names a block or an expert.
std::int64_t leading_number(std::string_view text) {
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

Stack inspect(const TensorSource& checkpoint, const std::string& name) {
  constexpr std::string_view kExpert = ".experts.expert_";
  const std::string prefix = name + ".block.";
  Stack stack;
  for (auto it = checkpoint.tensors().lower_bound(prefix);
       it != checkpoint.tensors().end() && it->first.starts_with(prefix); ++it) {
    const std::string_view tensor = it->first;
    const std::int64_t block = leading_number(tensor.substr(prefix.size()));
    stack.layers = std::max(stack.layers, block + 1);
    if (const std::size_t at = tensor.find(kExpert); at != tensor.npos) {
      stack.sparse.insert(block);
      stack.experts =
          std::max(stack.experts, leading_number(tensor.substr(at + kExpert.size())) + 1);
    }
    if (tensor.ends_with(".router.classifier.bias")) stack.router_bias = true;
    if (tensor.ends_with(".wi_0.weight")) stack.gated = true;
    if (tensor.ends_with(".wi_0.weight") || tensor.ends_with(".wi.weight")) stack.ffn = tensor;
  }
  check(stack.layers > 0, ErrorKind::kData, escaped(checkpoint.path().native()),
        ": no layers of the ", name);
  check(!stack.ffn.empty(), ErrorKind::kData, escaped(checkpoint.path().native()),
        ": no feed-forwards in the ", name);
  return stack;
}

// Writes settings, and warns about those that change.
class Corrections {
 public:
  Corrections(json& settings, const std::filesystem::path& path)
      : settings_(settings), path_(path) {}

  void set(const char* key, json value) {
    const auto given = settings_.find(key);
    if (given != settings_.end() && *given != value)
      log_warning(escaped(path_.native()) + ": " + key + " " + value_text(*given) +
                  " contradicts the checkpoint; " + value.dump() + " is used");
    settings_[key] = std::move(value);
  }

 private:
  json& settings_;
  const std::filesystem::path& path_;
};

// The activation function is in the settings, and must be of the tensors' kind.
void check_activation(const json& settings, const std::filesystem::path& path, bool gated) {
  const auto proj = settings.find("feed_forward_proj");
  const std::string name = escaped(path.native());
  if (proj == settings.end() || !proj->is_string()) {
    check(!gated || settings.contains("dense_act_fn"), ErrorKind::kData, name,
          ": no feed_forward_proj, but the checkpoint's feed-forwards are gated");
    return;
  }
  check(proj->get<std::string>().starts_with("gated-") == gated, ErrorKind::kData, name,
        ": activation ", value_text(*proj), ", but the checkpoint's feed-forwards are ",
        gated ? "gated" : "not gated");
}

std::int64_t extent(const TensorSource& checkpoint, const std::string& name, std::size_t i) {
  const StoredTensor& tensor = checkpoint.at(name);
  check(tensor.shape.size() == 2, ErrorKind::kData, escaped(checkpoint.path().native()),
        ": tensor ", escaped(name), ": shape ", shape_text(tensor.shape),
        ", expected two dimensions");
  return tensor.shape[i];
}

}  // namespace

json t5x_config(json settings, const std::filesystem::path& path, const TensorSource& checkpoint) {
  const Stack encoder = inspect(checkpoint, "encoder");
  const Stack decoder = inspect(checkpoint, "decoder");
  const std::string attention = "encoder.block.0.layer.0.SelfAttention.";
  const std::string bias = attention + "relative_attention_bias.weight";
  const std::int64_t heads = extent(checkpoint, bias, 1);
  const std::int64_t inner = extent(checkpoint, attention + "q.weight", 0);
  check(inner % heads == 0, ErrorKind::kData, escaped(checkpoint.path().native()), ": tensor ",
        attention, "q.weight: ", inner, " rows, expected a multiple of ", heads, " heads");
  const bool has_experts = !encoder.sparse.empty() || !decoder.sparse.empty();
  const bool tied = checkpoint.tensors().find("lm_head.weight") == checkpoint.tensors().end();

  Corrections correct(settings, path);
  correct.set("model_type", has_experts ? "switch_transformers" : "t5");
  correct.set("vocab_size", extent(checkpoint, "shared.weight", 0));
  correct.set("d_model", extent(checkpoint, "shared.weight", 1));
  correct.set("d_kv", inner / heads);
  correct.set("d_ff", extent(checkpoint, encoder.ffn, 0));
  correct.set("num_heads", heads);
  correct.set("num_layers", encoder.layers);
  correct.set("num_decoder_layers", decoder.layers);
  correct.set("relative_attention_num_buckets", extent(checkpoint, bias, 0));
  correct.set("tie_word_embeddings", tied);
  const bool gated = encoder.gated || decoder.gated;
  check_activation(settings, path, gated);
  if (has_experts) {
    correct.set("num_experts", std::max(encoder.experts, decoder.experts));
    correct.set("router_bias", encoder.router_bias || decoder.router_bias);
    correct.set("num_sparse_encoder_layers", encoder.sparse.size());
    correct.set("num_sparse_decoder_layers", decoder.sparse.size());
    // T5X places experts in layers step - 1, 2 * step - 1, ..., Hugging Face in 1, step + 1, ...
    settings.erase("encoder_sparse_step");
    settings.erase("decoder_sparse_step");
    settings["switchyard"] = {{"encoder_sparse_layers", encoder.sparse},
                              {"decoder_sparse_layers", decoder.sparse}};
  } else {
    // The scale follows from tie_word_embeddings, as in T5X.
    settings.erase("scale_decoder_outputs");
    correct.set("is_gated_act", gated);
  }
  return settings;
}

}  // namespace switchyard
