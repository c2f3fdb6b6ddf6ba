// SPDX-License-Identifier: Apache-2.0
// Writes safetensors files.
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

// Writes F32 tensors sorted by name, one at a time, with metadata {"format": "pt"}. Durable, as in
// core/durable_file.h. The same tensors give the same bytes.
void write_safetensors(const std::filesystem::path& path, std::vector<TensorToWrite> tensors);

}  // namespace switchyard
