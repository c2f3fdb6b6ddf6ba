// SPDX-License-Identifier: Apache-2.0
#include "src/io/safetensors_writer.h"

#include <algorithm>
#include <cassert>
#include <nlohmann/json.hpp>

#include "src/core/durable_file.h"
#include "src/io/tensor_source.h"

namespace switchyard {

namespace {

constexpr std::size_t kHeaderAlignment = 8;

std::size_t bytes_of(const TensorToWrite& tensor) {
  std::size_t n = sizeof(float);
  for (const std::int64_t extent : tensor.shape) n *= static_cast<std::size_t>(extent);
  return n;
}

// Pads the header with spaces so that the data starts aligned.
std::string header_of(const std::vector<TensorToWrite>& tensors) {
  std::string header = R"({"__metadata__":{"format":"pt"})";
  std::size_t offset = 0;
  for (const TensorToWrite& tensor : tensors) {
    const std::size_t end = offset + bytes_of(tensor);
    header += ',';
    header += nlohmann::json(tensor.name).dump();
    header += R"(:{"dtype":"F32","shape":)" + shape_text(tensor.shape) + R"(,"data_offsets":)" +
              "[" + std::to_string(offset) + "," + std::to_string(end) + "]}";
    offset = end;
  }
  header += "}";
  const std::size_t rest = header.size() % kHeaderAlignment;
  return header + std::string(rest == 0 ? 0 : kHeaderAlignment - rest, ' ');
}

}  // namespace

void write_safetensors(const fs::path& path, std::vector<TensorToWrite> tensors) {
  std::sort(tensors.begin(), tensors.end(),
            [](const TensorToWrite& a, const TensorToWrite& b) { return a.name < b.name; });
  const std::string header = header_of(tensors);
  const std::uint64_t length = header.size();
  DurableFile file(path);
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(header);
  for (const TensorToWrite& tensor : tensors) {
    const std::span<const float> values = tensor.values();
    assert(values.size_bytes() == bytes_of(tensor));
    file.write(std::as_bytes(values));
  }
  file.commit();
}

}  // namespace switchyard
