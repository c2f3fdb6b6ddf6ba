// SPDX-License-Identifier: Apache-2.0
// Reads safetensors files (github.com/huggingface/safetensors): a little-endian u64 header length,
// a JSON header {name: {dtype, shape, data_offsets}}, and the data. Every number in the header is
// hostile until checked; nothing outside the data is ever read.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "src/io/tensor_source.h"

namespace switchyard {

class SafetensorsFile : public TensorSource {
 public:
  // Error(kRuntime) if the file cannot be read, Error(kData) if it is not a complete safetensors
  // file. The tensors must cover the data without gaps or overlaps.
  explicit SafetensorsFile(const fs::path& path);

  const fs::path& path() const override { return file_.path(); }
  std::vector<fs::path> files() const override { return {path()}; }
  const TensorMap& tensors() const override { return tensors_; }
  const fs::path& file_of(std::string_view) const override { return file_.path(); }
  void read_bytes(std::string_view name, std::size_t begin, std::span<std::byte> to) const override;

 private:
  InputFile file_;
  TensorMap tensors_;
};

}  // namespace switchyard
