// SPDX-License-Identifier: Apache-2.0
// The weights of a model directory, in whichever of the known forms they are there.
#pragma once

#include <filesystem>
#include <memory>

#include "src/io/tensor_source.h"

namespace switchyard {

// Opens model.safetensors, or else the shards that model.safetensors.index.json names. Error as
// SafetensorsFile and SafetensorsShards; Error(kData) if there is neither.
std::unique_ptr<TensorSource> open_weights(const std::filesystem::path& directory);

}  // namespace switchyard
