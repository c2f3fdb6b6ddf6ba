// SPDX-License-Identifier: Apache-2.0
// Opens the weights of a model directory, whichever file format they are in.
#pragma once

#include <filesystem>
#include <memory>

#include "src/io/tensor_source.h"

namespace switchyard {

// Opens the first that exists of model.safetensors, the shards listed in
// model.safetensors.index.json, pytorch_model.bin, and the shards listed in
// pytorch_model.bin.index.json. Throws what SafetensorsFile, PytorchFile and WeightShards throw;
// Error(kData) if none exists.
std::unique_ptr<TensorSource> open_weights(const std::filesystem::path& directory);

}  // namespace switchyard
