// SPDX-License-Identifier: Apache-2.0
#include "src/io/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "src/core/dtype.h"
#include "src/core/error.h"
#include "src/io/json.h"
#include "src/io/safetensors_header.h"

namespace switchyard {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

namespace {

template <class T>
T load_as(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

// The tensors must cover the data from its first byte to its last, each byte once.
void check_coverage(const TensorMap& tensors, std::span<const std::byte> data) {
  std::vector<const TensorMap::value_type*> by_place;
  by_place.reserve(tensors.size());
  for (const auto& entry : tensors) by_place.push_back(&entry);
  std::sort(by_place.begin(), by_place.end(), [](const auto* a, const auto* b) {
    return std::pair(a->second.bytes.data(), a->second.bytes.size()) <
           std::pair(b->second.bytes.data(), b->second.bytes.size());
  });
  std::size_t covered = 0;
  for (const auto* entry : by_place) {
    const auto begin = static_cast<std::size_t>(entry->second.bytes.data() - data.data());
    if (begin != covered)
      fail(ErrorKind::kData, "tensor ", escaped(entry->first), " starts at byte ", begin,
           " of the data, expected ", covered,
           begin < covered ? ", where the one before ends" : ": bytes that belong to no tensor");
    covered = begin + entry->second.bytes.size();
  }
  check(covered == data.size(), ErrorKind::kData, data.size(), " bytes of data, expected ", covered,
        " from the tensors of the header");
}

void check_dtype(std::string_view name, const StoredTensor& tensor, bool ok,
                 std::string_view expected) {
  check(ok, ErrorKind::kData, "tensor ", escaped(name), ": dtype ", tensor.dtype, ", expected ",
        expected);
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
  const std::byte* from = tensor.bytes.data();
  if (tensor.dtype == "F32") {
    if (!to.empty()) std::memcpy(to.data(), from, to.size_bytes());
    return;
  }
  check_dtype(name, tensor, tensor.dtype == "BF16" || tensor.dtype == "F16", "F32, BF16 or F16");
  if (tensor.dtype == "BF16") {
    for (std::size_t i = 0; i < to.size(); ++i)
      to[i] = bf16_to_f32(load_as<std::uint16_t>(from + 2 * i));
  } else {
    for (std::size_t i = 0; i < to.size(); ++i)
      to[i] = f16_to_f32(load_as<std::uint16_t>(from + 2 * i));
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
  if (!values.empty()) std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

SafetensorsFile::SafetensorsFile(const fs::path& path) : file_(path) {
  with_context(escaped(path.native()), [&] {
    const std::span<const std::byte> bytes = file_.bytes();
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const std::string_view content = recognised_content(text);
    check(content.empty(), ErrorKind::kData, content, ", expected a safetensors file");
    check(bytes.size() >= 8, ErrorKind::kData, bytes.size(),
          " bytes, expected at least the 8 of a safetensors header's length");
    const auto header_bytes = load_as<std::uint64_t>(bytes.data());
    check(header_bytes <= kMaxHeaderBytes, ErrorKind::kData, "a header of ", header_bytes,
          " bytes, expected at most ", kMaxHeaderBytes, " in a safetensors file");
    check(header_bytes <= bytes.size() - 8, ErrorKind::kData, "a header of ", header_bytes,
          " bytes in a file of ", bytes.size(), ": the file is cut");
    const std::span<const std::byte> data = bytes.subspan(8 + header_bytes);
    parse_safetensors_header(text.substr(8, header_bytes), data, tensors_, metadata_);
    check_coverage(tensors_, data);
  });
}

const StoredTensor& SafetensorsFile::at(std::string_view name) const {
  const auto found = tensors_.find(name);
  check(found != tensors_.end(), ErrorKind::kData, escaped(path().native()), ": no tensor ",
        escaped(name));
  return found->second;
}

}  // namespace switchyard
