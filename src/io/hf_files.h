// SPDX-License-Identifier: Apache-2.0
// Opens a model directory without reading its values: what the model is, and which tensor of which
// file holds each parameter.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "src/io/generation_config.h"
#include "src/io/hf_config.h"
#include "src/io/tensor_source.h"
#include "src/nn/model.h"

namespace switchyard {

struct ModelFiles {
  std::unique_ptr<TensorSource> source;
  std::unique_ptr<Model> model;  // without values
  GenerationConfig generation;
  std::vector<std::string> names;  // of the tensors in the source, by Param::index
};

// Error(kRuntime) if the directory does not exist or a file cannot be read, Error(kData) if a file
// is missing or malformed or its tensors contradict config.json.
ModelFiles open_model_files(const std::filesystem::path& directory);

// The same for tensors from any source. Warns about tensors that are not used.
ModelFiles locate_tensors(std::unique_ptr<TensorSource> source, const FileConfig& config,
                          GenerationConfig generation);

// Error(kRuntime) unless `directory` is a directory, Error(kData) if it has no config.json.
void check_model_directory(const std::filesystem::path& directory);

}  // namespace switchyard
