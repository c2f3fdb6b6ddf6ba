// SPDX-License-Identifier: Apache-2.0
// Opens the weights of a model directory, whichever file format they are in.
#pragma once

#include <filesystem>
#include <memory>

#include "src/io/tensor_source.h"

namespace switchyard {

// Opens model.safetensors or, failing that, the shards listed in model.safetensors.index.json.
// Throws what SafetensorsFile and WeightShards throw; Error(kData) if neither file exists.
std::unique_ptr<TensorSource> open_weights(const std::filesystem::path& directory);

}  // namespace switchyard
