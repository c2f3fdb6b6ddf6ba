// SPDX-License-Identifier: Apache-2.0
#include "src/io/hf_tensors.h"

#include <string_view>

#include "src/core/error.h"

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
