// SPDX-License-Identifier: Apache-2.0
// The safetensors format (github.com/huggingface/safetensors): u64 little-endian header length,
// JSON header {name: {dtype, shape, data_offsets}}, data. Every number of the header is hostile
// until checked, and nothing outside the data is ever read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/core/file.h"

namespace switchyard {

// A tensor as it lies in a file, which must be open while its values are read.
struct StoredTensor {
  std::string_view dtype;  // "F32", "BF16", "F16", "I64", ...
  std::vector<std::int64_t> shape;
  std::size_t begin = 0, bytes = 0;  // its place in the file
  const InputFile* file = nullptr;

  std::int64_t size() const;  // elements
};

// "[768, 64]"
std::string shape_text(std::span<const std::int64_t> shape);

// The values as f32 (dtypes F32, BF16, F16) or i64 (I64). `to` has size() elements. Error(kData)
// naming the file and `name` for another dtype, Error(kRuntime) where the file cannot be read.
void read_f32(std::string_view name, const StoredTensor& tensor, std::span<float> to);
std::vector<float> read_f32(std::string_view name, const StoredTensor& tensor);
std::vector<std::int64_t> read_i64(std::string_view name, const StoredTensor& tensor);
// Whether two tensors have the same dtype, shape and bytes.
bool same_values(const StoredTensor& a, const StoredTensor& b);

// By name, in the order of names.
using TensorMap = std::map<std::string, StoredTensor, std::less<>>;

class SafetensorsFile {
 public:
  // Error(kRuntime) where the file cannot be read, Error(kData) where it is not a whole safetensors
  // file: the data must be covered by the tensors without hole or overlap.
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_->path(); }
  const TensorMap& tensors() const { return tensors_; }
  // Error(kData) naming the file where there is no such tensor.
  const StoredTensor& at(std::string_view name) const;
  bool contains(std::string_view name) const { return tensors_.find(name) != tensors_.end(); }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  std::unique_ptr<const InputFile> file_;  // its address is in the tensors
  TensorMap tensors_;
  std::map<std::string, std::string> metadata_;
};

// The weights of a model folder: model.safetensors, or the shards that
// model.safetensors.index.json names (inside the folder only).
class WeightFiles {
 public:
  explicit WeightFiles(const std::filesystem::path& folder);

  const std::filesystem::path& path() const { return path_; }  // of the file, or of the index
  const TensorMap& tensors() const { return tensors_; }

 private:
  void open_shards();

  std::filesystem::path path_;
  std::vector<SafetensorsFile> files_;
  TensorMap tensors_;
};

struct TensorToWrite {
  std::string name;
  std::vector<std::int64_t> shape;
  // Gives the values; called once, when the tensor's turn has come. Valid until the next call.
  std::function<std::span<const float>()> values;
};

// Writes F32 tensors in the order of their names, one at a time, with metadata {"format": "pt"};
// durable as core/durable_file.h. The same tensors give the same bytes.
void write_safetensors(const std::filesystem::path& path, std::vector<TensorToWrite> tensors);

}  // namespace switchyard
