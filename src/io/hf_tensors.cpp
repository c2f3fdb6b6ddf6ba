// SPDX-License-Identifier: Apache-2.0
#include "src/io/hf_tensors.h"

#include <string_view>

#include "src/core/error.h"
#include "src/io/hf_config.h"

namespace switchyard {

std::string file_name_of(const std::string& param_name, const std::string& model_type) {
  constexpr std::string_view kMlp = ".mlp.";
  std::string name = param_name;
  const std::size_t at = name.find(kMlp);
  if (model_type == "t5" && at != std::string::npos)
    name.replace(at, kMlp.size(), ".DenseReluDense.");
  return name;
}

std::vector<std::int64_t> stored_shape(const Param& param) {
  if (param.vector) return {param.cols};
  return {param.rows, param.cols};
}

std::vector<std::pair<std::string, const Param*>> written_tensors(const Model& model) {
  const ModelConfig& config = model.config();
  const std::string model_type = written_model_type(config);
  // transformers 5 stores every table of an untied Switch model separately.
  const bool all_tables = model_type == "switch_transformers" && !config.scale_decoder_outputs;
  std::vector<std::pair<std::string, const Param*>> tensors;
  const Param* position = nullptr;
  model.each_param([&](const Param& param) {
    const auto add = [&](const Param& p) {
      tensors.emplace_back(file_name_of(p.name, model_type), &p);
    };
    // A stack lists its table of position biases first, transformers after the attention's weights.
    if (param.name.ends_with(".relative_attention_bias.weight")) {
      position = &param;
      const std::string stack = param.name.substr(0, param.name.find('.'));
      if (all_tables && !config.separate_embeddings)
        tensors.emplace_back(stack + ".embed_tokens.weight", &model.shared);
      return;
    }
    add(param);
    if (position && param.name.ends_with(".SelfAttention.o.weight"))
      add(*std::exchange(position, nullptr));
  });
  if (all_tables && config.tie_word_embeddings)
    tensors.emplace_back("lm_head.weight", &model.shared);
  return tensors;
}

HfTensors::HfTensors(const TensorSource& source) : source_(source) {
  constexpr std::string_view kPrefix = "switch_transformers.";
  for (const auto& [name, tensor] : source.tensors()) {
    const std::string canonical = name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name;
    if (!found_.emplace(canonical, Found{name, &tensor}).second)
      fail(ErrorKind::kData, "tensor ", escaped(canonical), " twice, with and without ", kPrefix);
  }
}

const HfTensors::Found* HfTensors::use(const std::string& name) {
  const auto it = found_.find(name);
  if (it == found_.end()) return nullptr;
  it->second.used = true;
  return &it->second;
}

const HfTensors::Found* HfTensors::use_shared() {
  for (const char* name :
       {"shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"})
    if (const Found* found = use(name)) return found;
  return nullptr;
}

const HfTensors::Found* HfTensors::use_head() {
  const Found* found = use("lm_head.weight");
  return found ? found : use("decoder.lm_head.weight");
}

}  // namespace switchyard
