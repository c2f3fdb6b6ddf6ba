// SPDX-License-Identifier: Apache-2.0
// The tensors in a model's files, whatever the format: their names, shapes and dtypes, and a way to
// read them. Each file format implements TensorSource; loading a model depends on nothing else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/core/file.h"

namespace switchyard {

struct StoredTensor {
  std::string_view dtype;  // as safetensors names it: "F32", "BF16", "F16", "I64", ...
  std::vector<std::int64_t> shape;
  std::size_t bytes = 0;
  std::size_t begin = 0;  // offset of its bytes in the file

  std::int64_t size() const;  // elements
};

// Sorted by name.
using TensorMap = std::map<std::string, StoredTensor, std::less<>>;

// "[768, 64]"
std::string shape_text(std::span<const std::int64_t> shape);

// Opening a source checks the dtype, shape and offset of every tensor against its file: `bytes` is
// the dtype's size times the product of the shape, computed without overflow. A function that takes
// a name expects one of tensors(). Reading is thread-safe, and throws Error(kRuntime) if the file
// cannot be read.
class TensorSource {
 public:
  virtual ~TensorSource() = default;

  virtual const fs::path& path() const = 0;         // the file, or the index of several
  virtual std::vector<fs::path> files() const = 0;  // every file that is read
  virtual const TensorMap& tensors() const = 0;
  // The file that holds a tensor, for messages.
  virtual const fs::path& file_of(std::string_view name) const = 0;
  // Fills `to` with the tensor's bytes, starting at its byte `begin`; [begin, begin + to.size())
  // must be inside the tensor. Elements are little-endian, in row-major order.
  virtual void read_bytes(std::string_view name, std::size_t begin,
                          std::span<std::byte> to) const = 0;

  // Error(kData) naming path() if there is no such tensor.
  const StoredTensor& at(std::string_view name) const;
  // Fills `to` with elements of an F32, BF16 or F16 tensor, converted to float32, starting at
  // element `begin`; [begin, begin + to.size()) must be inside the tensor. Error(kData) naming the
  // file and the tensor if it has another dtype.
  void read_f32(std::string_view name, std::size_t begin, std::span<float> to) const;
  // Returns true if two tensors have the same dtype, shape and bytes.
  bool same_values(std::string_view a, std::string_view b) const;
};

}  // namespace switchyard
