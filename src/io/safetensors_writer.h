// SPDX-License-Identifier: Apache-2.0
// Writes safetensors files, one tensor at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
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

// A tensor of any dtype that need never be in memory as a whole.
struct TensorToStream {
  using Write = std::function<void(std::span<const std::byte>)>;

  std::string name;
  std::string_view dtype;  // as safetensors names it: "F32", "BF16", "F16"
  std::vector<std::int64_t> shape;
  std::size_t bytes = 0;
  // Passes the tensor's bytes to its argument, in order and in parts of any size. Called once.
  std::function<void(const Write&)> stream;
};

// Writes model.safetensors into a directory or, if that would have more than `max_shard_bytes`
// bytes of tensors, model-00001-of-0000N.safetensors and model.safetensors.index.json, as
// save_pretrained() of transformers does: tensors are assigned to shards in the order given, and
// one that is larger than the limit has a shard of its own. In a file, tensors are sorted by the
// size of their dtype, largest first, then by name. Each file is durable. `total_parameters` is
// stated in the index. Error(kUsage) if there would be more shards than a reader accepts.
void write_safetensors_shards(const std::filesystem::path& directory,
                              std::vector<TensorToStream> tensors, std::size_t max_shard_bytes,
                              std::int64_t total_parameters);

}  // namespace switchyard
