// SPDX-License-Identifier: Apache-2.0
// Writing of safetensors files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace switchyard {

struct TensorToWrite {
  std::string name;
  std::vector<std::int64_t> shape;
  // Returns the values, valid until the next call. Called once, when the tensor is written.
  std::function<std::span<const float>()> values;
};

// Writes F32 tensors in the order of their names, one at a time, with metadata {"format": "pt"};
// durable as core/durable_file.h. The same tensors give the same bytes.
void write_safetensors(const std::filesystem::path& path, std::vector<TensorToWrite> tensors);

}  // namespace switchyard
