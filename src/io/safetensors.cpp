// SPDX-License-Identifier: Apache-2.0
#include "src/io/safetensors.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "src/core/error.h"
#include "src/core/file_content.h"
#include "src/io/safetensors_header.h"

namespace switchyard {

namespace {

// Enough bytes to recognize other file formats.
constexpr std::size_t kStartBytes = 64;

template <class T>
std::span<std::byte> bytes_of(T& values) {
  return std::as_writable_bytes(std::span(values));
}

// The tensors must cover every byte of the data exactly once.
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
           begin < covered ? ", where the previous one ends" : ": bytes that belong to no tensor");
    covered = begin + entry->second.bytes;
  }
  check(covered == data_bytes, ErrorKind::kData, data_bytes, " bytes of data, expected ", covered,
        " from the tensors of the header");
}

}  // namespace

SafetensorsFile::SafetensorsFile(const fs::path& path) : file_(path) {
  const std::size_t size = file_.size_bytes();
  std::string start(std::min(size, kStartBytes), '\0');
  file_.read(0, bytes_of(start));
  std::uint64_t header_bytes = 0;
  with_context(escaped(path.native()), [&] {
    // The length of a valid header may look like another format: 35,615 looks like gzip data.
    const bool has_header = size > 8 && start[8] == '{';
    const std::string_view content = has_header ? "" : recognised_content(start);
    check(content.empty(), ErrorKind::kData, content, ", expected a safetensors file");
    check(size >= 8, ErrorKind::kData, size,
          " bytes, expected at least the 8 of a safetensors header's length");
    std::memcpy(&header_bytes, start.data(), 8);
    check(header_bytes <= kMaxHeaderBytes, ErrorKind::kData, "a header of ", header_bytes,
          " bytes, expected at most ", kMaxHeaderBytes, " in a safetensors file");
    check(header_bytes <= size - 8, ErrorKind::kData, "a header of ", header_bytes,
          " bytes in a file of ", size, ": the file is truncated");
  });
  std::string header(header_bytes, '\0');
  file_.read(8, bytes_of(header));
  with_context(escaped(path.native()), [&] {
    const std::size_t data_bytes = size - 8 - header_bytes;
    tensors_ = parse_safetensors_header(header, data_bytes);
    check_coverage(tensors_, data_bytes);
  });
  for (auto& [name, tensor] : tensors_) tensor.begin += 8 + header_bytes;
}

void SafetensorsFile::read_bytes(std::string_view name, std::size_t begin,
                                 std::span<std::byte> to) const {
  const StoredTensor& tensor = at(name);
  assert(begin <= tensor.bytes && to.size() <= tensor.bytes - begin);
  file_.read(tensor.begin + begin, to);
}

}  // namespace switchyard
