// SPDX-License-Identifier: Apache-2.0
// Reads state dicts in the format that torch.save writes since version 1.6, such as Hugging Face's
// pytorch_model.bin: an uncompressed zip archive with a pickle that describes the tensors and a
// file per storage. Nothing in the file is executed.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/io/tensor_source.h"

namespace switchyard {

class PytorchFile : public TensorSource {
 public:
  // Error(kRuntime) if the file cannot be read, Error(kData) if it is not a complete archive of
  // torch.save, or anything but a dict of dense tensors. See state_dict.h and zip_archive.h.
  explicit PytorchFile(const fs::path& path);

  const fs::path& path() const override { return file_.path(); }
  std::vector<fs::path> files() const override { return {path()}; }
  const TensorMap& tensors() const override { return tensors_; }
  const fs::path& file_of(std::string_view) const override { return file_.path(); }
  // A tensor that is not contiguous in its storage is gathered; one whose last dimension is strided
  // is read element by element, which is slow but rare in a state dict.
  void read_bytes(std::string_view name, std::size_t begin, std::span<std::byte> to) const override;

 private:
  InputFile file_;
  TensorMap tensors_;
  // Of tensors that are not contiguous: bytes between neighbors along each dimension.
  std::map<std::string, std::vector<std::size_t>, std::less<>> strides_;
};

}  // namespace switchyard
