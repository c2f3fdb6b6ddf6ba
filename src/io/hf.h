// SPDX-License-Identifier: Apache-2.0
// Model folders in Hugging Face's form: config.json, generation_config.json, model.safetensors (or
// shards with an index). The tensors decide which layers are sparse or gated and whether the head
// is tied; a count or shape that contradicts config.json is an error.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "src/io/generation_config.h"
#include "src/io/safetensors_writer.h"
#include "src/nn/model.h"

namespace switchyard {

struct LoadedModel {
  std::unique_ptr<ParamBuffer> values;
  std::unique_ptr<Model> model;  // bound to values
  GenerationConfig generation;
};

// Error(kRuntime) if the folder does not exist or a file cannot be read, Error(kData) if a file is
// missing in it or its content is bad: the message names file, tensor or field, what was found and
// what was expected. Values that are not finite are an error unless `allow_nonfinite`.
LoadedModel load_model(Context& ctx, const std::filesystem::path& folder,
                       bool allow_nonfinite = false);

// Values that are downloaded to `host` when they are written. Where one is not finite that is
// Error(kDiverged) naming the tensor: nothing such is ever saved.
TensorToWrite tensor_to_write(Context& ctx, std::string name, std::vector<std::int64_t> shape,
                              View values, std::vector<float>& host);

// Writes config.json, generation_config.json and model.safetensors into an existing directory, each
// durably; `values` has the model's layout. The vocabulary's files are the tokenizer's to save.
void save_model(Context& ctx, const std::filesystem::path& folder, const Model& model,
                const ParamBuffer& values, const GenerationConfig& generation);

}  // namespace switchyard
