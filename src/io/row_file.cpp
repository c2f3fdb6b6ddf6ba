// SPDX-License-Identifier: Apache-2.0
#include "src/io/row_file.h"

#include <bit>
#include <cassert>
#include <nlohmann/json.hpp>
#include <utility>

#include "src/io/tensor_source.h"

namespace switchyard {

namespace {

static_assert(std::endian::native == std::endian::little, "both formats are little-endian");

// Space for the header, which is written last: multiples of 64, as .npy asks for, that hold the
// largest numbers.
constexpr std::size_t kNpyHeaderBytes = 128;
constexpr std::size_t kSafetensorsHeaderBytes = 512;

std::size_t header_bytes(RowFormat format) {
  return format == RowFormat::kNpy ? kNpyHeaderBytes : kSafetensorsHeaderBytes;
}

std::string little_endian(std::uint64_t value, std::size_t bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 0xFF);
  return text;
}

std::string tensor_entry(const std::string& name, const char* dtype,
                         const std::vector<std::int64_t>& shape,
                         std::pair<std::int64_t, std::int64_t> range) {
  return ',' + nlohmann::json(name).dump() + R"(:{"dtype":")" + dtype + R"(","shape":)" +
         shape_text(shape) + R"(,"data_offsets":)" +
         shape_text(std::vector<std::int64_t>{range.first, range.second}) + "}";
}

}  // namespace

RowFile::RowFile(const std::filesystem::path& path, RowFormat format, std::string name,
                 std::int64_t columns)
    : file_(path), format_(format), name_(std::move(name)), columns_(columns) {
  file_.write(std::string(header_bytes(format_), ' '));
}

void RowFile::append(std::span<const float> rows) {
  assert(std::ssize(rows) % columns_ == 0);
  file_.write(std::as_bytes(rows));
  rows_ += std::ssize(rows) / columns_;
}

void RowFile::finish(std::span<const std::int64_t> offsets) {
  assert(offsets.empty() || format_ == RowFormat::kSafetensors);
  file_.write(std::as_bytes(offsets));
  file_.write_at(0, format_ == RowFormat::kNpy ? npy_header() : safetensors_header(offsets.size()));
  file_.commit();
}

// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, version 1.0
std::string RowFile::npy_header() const {
  std::string header = "\x93NUMPY";
  header += '\x01';
  header += '\0';
  header += little_endian(kNpyHeaderBytes - header.size() - 2, 2);
  header += "{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(rows_) + ", " +
            std::to_string(columns_) + "), }";
  assert(header.size() < kNpyHeaderBytes);
  header.resize(kNpyHeaderBytes - 1, ' ');
  return header + '\n';
}

std::string RowFile::safetensors_header(std::size_t offsets) const {
  const auto count = static_cast<std::int64_t>(offsets);
  const auto end = rows_ * columns_ * std::int64_t{sizeof(float)};
  std::string header = little_endian(kSafetensorsHeaderBytes - 8, 8);
  header += R"({"__metadata__":{"format":"pt"})";
  header += tensor_entry(name_, "F32", {rows_, columns_}, {0, end});
  if (count > 0)
    header += tensor_entry("offsets", "I64", {count},
                           {end, end + count * std::int64_t{sizeof(std::int64_t)}});
  header += "}";
  assert(header.size() <= kSafetensorsHeaderBytes);
  header.resize(kSafetensorsHeaderBytes, ' ');
  return header;
}

}  // namespace switchyard
