// SPDX-License-Identifier: Apache-2.0
#include "src/io/tensor_source.h"

#include <algorithm>
#include <bit>
#include <cassert>

#include "src/core/dtype.h"
#include "src/core/error.h"

namespace switchyard {

static_assert(std::endian::native == std::endian::little, "the formats are little-endian");

namespace {

// Elements to convert and bytes to compare are read this many at a time.
constexpr std::size_t kBlock = std::size_t{1} << 16;

}  // namespace

std::int64_t StoredTensor::size() const {
  std::int64_t n = 1;
  for (const std::int64_t extent : shape) n *= extent;
  return n;
}

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i)
    text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

const StoredTensor& TensorSource::at(std::string_view name) const {
  const auto found = tensors().find(name);
  check(found != tensors().end(), ErrorKind::kData, escaped(path().native()), ": no tensor ",
        escaped(name));
  return found->second;
}

void TensorSource::read_f32(std::string_view name, std::size_t begin, std::span<float> to) const {
  const StoredTensor& tensor = at(name);
  assert(begin + to.size() <= static_cast<std::size_t>(tensor.size()));
  const std::string_view dtype = tensor.dtype;
  if (dtype == "F32") return read_bytes(name, 4 * begin, std::as_writable_bytes(to));
  const bool bf16 = dtype == "BF16";
  if (!bf16 && dtype != "F16")
    fail(ErrorKind::kData, escaped(file_of(name).native()), ": tensor ", escaped(name), ": dtype ",
         dtype, ", expected F32, BF16 or F16");
  std::vector<std::uint16_t> block(std::min(kBlock, to.size()));
  for (std::size_t first = 0; first < to.size(); first += kBlock) {
    block.resize(std::min(kBlock, to.size() - first));
    read_bytes(name, 2 * (begin + first), std::as_writable_bytes(std::span(block)));
    for (std::size_t i = 0; i < block.size(); ++i)
      to[first + i] = bf16 ? bf16_to_f32(block[i]) : f16_to_f32(block[i]);
  }
}

bool TensorSource::same_values(std::string_view a, std::string_view b) const {
  const StoredTensor& tensor = at(a);
  if (tensor.dtype != at(b).dtype || tensor.shape != at(b).shape) return false;
  std::vector<std::byte> of_a, of_b;
  for (std::size_t first = 0; first < tensor.bytes; first += kBlock) {
    of_a.resize(std::min(kBlock, tensor.bytes - first));
    of_b.resize(of_a.size());
    read_bytes(a, first, of_a);
    read_bytes(b, first, of_b);
    if (of_a != of_b) return false;
  }
  return true;
}

}  // namespace switchyard
