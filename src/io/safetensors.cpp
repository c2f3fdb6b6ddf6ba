// SPDX-License-Identifier: Apache-2.0
#include "src/io/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "src/core/dtype.h"
#include "src/core/error.h"
#include "src/core/file_content.h"
#include "src/io/safetensors_header.h"

namespace switchyard {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

namespace {

// Values of another type, and bytes to compare, are read this many at a time.
constexpr std::size_t kBlock = std::size_t{1} << 16;
// Enough of a file to see what it is instead of what it should be.
constexpr std::size_t kStartBytes = 64;

template <class T>
std::span<std::byte> bytes_of(T& values) {
  return std::as_writable_bytes(std::span(values));
}

// The tensors must cover the data from its first byte to its last, each byte once.
void check_coverage(const TensorMap& tensors, std::size_t data_bytes) {
  std::vector<const TensorMap::value_type*> by_place;
  by_place.reserve(tensors.size());
  for (const auto& entry : tensors) by_place.push_back(&entry);
  std::sort(by_place.begin(), by_place.end(), [](const auto* a, const auto* b) {
    return std::pair(a->second.begin, a->second.bytes) <
           std::pair(b->second.begin, b->second.bytes);
  });
  std::size_t covered = 0;
  for (const auto* entry : by_place) {
    const std::size_t begin = entry->second.begin;
    if (begin != covered)
      fail(ErrorKind::kData, "tensor ", escaped(entry->first), " starts at byte ", begin,
           " of the data, expected ", covered,
           begin < covered ? ", where the one before ends" : ": bytes that belong to no tensor");
    covered = begin + entry->second.bytes;
  }
  check(covered == data_bytes, ErrorKind::kData, data_bytes, " bytes of data, expected ", covered,
        " from the tensors of the header");
}

void check_dtype(std::string_view name, const StoredTensor& tensor, bool ok,
                 std::string_view expected) {
  if (!ok)
    fail(ErrorKind::kData, escaped(tensor.file->path().native()), ": tensor ", escaped(name),
         ": dtype ", tensor.dtype, ", expected ", expected);
}

}  // namespace

std::int64_t StoredTensor::size() const {
  std::int64_t n = 1;  // the header's check has shown that this does not overflow
  for (const std::int64_t extent : shape) n *= extent;
  return n;
}

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i)
    text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

void read_f32(std::string_view name, const StoredTensor& tensor, std::span<float> to) {
  if (tensor.dtype == "F32") return tensor.file->read(tensor.begin, std::as_writable_bytes(to));
  const bool bf16 = tensor.dtype == "BF16";
  check_dtype(name, tensor, bf16 || tensor.dtype == "F16", "F32, BF16 or F16");
  std::vector<std::uint16_t> block(std::min(kBlock, to.size()));
  for (std::size_t first = 0; first < to.size(); first += kBlock) {
    block.resize(std::min(kBlock, to.size() - first));
    tensor.file->read(tensor.begin + 2 * first, bytes_of(block));
    for (std::size_t i = 0; i < block.size(); ++i)
      to[first + i] = bf16 ? bf16_to_f32(block[i]) : f16_to_f32(block[i]);
  }
}

std::vector<float> read_f32(std::string_view name, const StoredTensor& tensor) {
  std::vector<float> values(static_cast<std::size_t>(tensor.size()));
  read_f32(name, tensor, values);
  return values;
}

std::vector<std::int64_t> read_i64(std::string_view name, const StoredTensor& tensor) {
  check_dtype(name, tensor, tensor.dtype == "I64", "I64");
  std::vector<std::int64_t> values(static_cast<std::size_t>(tensor.size()));
  tensor.file->read(tensor.begin, bytes_of(values));
  return values;
}

bool same_values(const StoredTensor& a, const StoredTensor& b) {
  if (a.dtype != b.dtype || a.shape != b.shape) return false;
  std::vector<std::byte> of_a, of_b;
  for (std::size_t first = 0; first < a.bytes; first += kBlock) {
    of_a.resize(std::min(kBlock, a.bytes - first));
    of_b.resize(of_a.size());
    a.file->read(a.begin + first, of_a);
    b.file->read(b.begin + first, of_b);
    if (of_a != of_b) return false;
  }
  return true;
}

SafetensorsFile::SafetensorsFile(const fs::path& path) : file_(std::make_unique<InputFile>(path)) {
  const std::size_t size = file_->size_bytes();
  std::string start(std::min(size, kStartBytes), '\0');
  file_->read(0, bytes_of(start));
  std::uint64_t header_bytes = 0;
  with_context(escaped(path.native()), [&] {
    const std::string_view content = recognised_content(start);
    check(content.empty(), ErrorKind::kData, content, ", expected a safetensors file");
    check(size >= 8, ErrorKind::kData, size,
          " bytes, expected at least the 8 of a safetensors header's length");
    std::memcpy(&header_bytes, start.data(), 8);
    check(header_bytes <= kMaxHeaderBytes, ErrorKind::kData, "a header of ", header_bytes,
          " bytes, expected at most ", kMaxHeaderBytes, " in a safetensors file");
    check(header_bytes <= size - 8, ErrorKind::kData, "a header of ", header_bytes,
          " bytes in a file of ", size, ": the file is cut");
  });
  std::string header(header_bytes, '\0');
  file_->read(8, bytes_of(header));
  with_context(escaped(path.native()), [&] {
    const std::size_t data_bytes = size - 8 - header_bytes;
    parse_safetensors_header(header, data_bytes, tensors_, metadata_);
    check_coverage(tensors_, data_bytes);
  });
  for (auto& [name, tensor] : tensors_) {
    tensor.begin += 8 + header_bytes;
    tensor.file = file_.get();
  }
}

const StoredTensor& SafetensorsFile::at(std::string_view name) const {
  const auto found = tensors_.find(name);
  check(found != tensors_.end(), ErrorKind::kData, escaped(path().native()), ": no tensor ",
        escaped(name));
  return found->second;
}

}  // namespace switchyard
