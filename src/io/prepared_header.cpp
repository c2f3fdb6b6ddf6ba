// SPDX-License-Identifier: Apache-2.0
#include "src/io/prepared_header.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "src/core/error.h"
#include "src/core/hash.h"
#include "src/core/json.h"
#include "src/core/round.h"

namespace switchyard {

namespace {

using nlohmann::json;

constexpr std::string_view kMagic = "\x93SWPREP\n";
constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kByteOrder = 0x01020304;
constexpr std::uint64_t kMaxTextBytes = 100'000'000;
constexpr std::uint64_t kOffsetStep = 64, kPage = 4096, kPageAlignedBytes = 1 << 16;

struct Start {
  char magic[8] = {};
  std::uint32_t version = kVersion, byte_order = kByteOrder;
  std::uint64_t text_bytes = 0, text_checksum = 0, file_bytes = 0;
  char zeros[24] = {};
};
static_assert(sizeof(Start) == 64);

std::string hex(std::uint64_t x) {
  char text[17];
  for (int i = 0; i < 16; ++i) text[i] = "0123456789abcdef"[x >> (60 - 4 * i) & 15];
  return std::string(text, 16);
}

// Fields of the header; each is required. Error(kData) naming it.
std::uint64_t number(const json& object, const char* key) {
  std::int64_t value = -1;
  check(get_field(object, key, value) && value >= 0, ErrorKind::kData, key,
        ": missing or negative, expected a number");
  return static_cast<std::uint64_t>(value);
}
std::string text(const json& object, const char* key) {
  std::string value;
  check(get_field(object, key, value), ErrorKind::kData, key, ": missing, expected a string");
  return value;
}
std::uint64_t checksum(const json& object, const char* key) {
  const std::string digits = text(object, key);
  std::uint64_t value = 0;
  const char* const end = digits.data() + digits.size();
  const auto [last, error] = std::from_chars(digits.data(), end, value, 16);
  check(digits.size() == 16 && last == end && error == std::errc(), ErrorKind::kData, key, ": ",
        escaped(digits), ", expected 16 hexadecimal digits");
  return value;
}
const json& member(const json& object, const char* key, json::value_t type) {
  const auto found = object.find(key);
  check(found != object.end() && found->type() == type, ErrorKind::kData, key,
        ": missing, expected ", type == json::value_t::object ? "an object" : "an array");
  return *found;
}

json json_of(const PreparedTensor& tensor) {
  return {{"layout", tensor.layout},
          {"shape", {tensor.rows, tensor.cols}},
          {"offset", tensor.offset},
          {"bytes", tensor.bytes},
          {"checksum", hex(tensor.checksum)}};
}

PreparedTensor tensor_of(const json& object) {
  check(object.is_object(), ErrorKind::kData, "not an object");
  PreparedTensor tensor;
  tensor.layout = text(object, "layout");
  const json& shape = member(object, "shape", json::value_t::array);
  check(shape.size() == 2 && shape[0].is_number_unsigned() && shape[1].is_number_unsigned(),
        ErrorKind::kData, "shape: expected two numbers");
  tensor.rows = shape[0].get<std::int64_t>();
  tensor.cols = shape[1].get<std::int64_t>();
  tensor.offset = number(object, "offset");
  tensor.bytes = number(object, "bytes");
  tensor.checksum = checksum(object, "checksum");
  return tensor;
}

json json_of(const SourceFile& file) {
  return {{"name", file.name},
          {"bytes", file.bytes},
          {"modified_ns", file.modified_ns},
          {"sample", hex(file.sample)},
          {"checksum", hex(file.checksum)}};
}

SourceFile source_file_of(const json& object) {
  check(object.is_object(), ErrorKind::kData, "not an object");
  SourceFile file{text(object, "name"), number(object, "bytes"), 0, checksum(object, "sample"),
                  checksum(object, "checksum")};
  check(get_field(object, "modified_ns", file.modified_ns), ErrorKind::kData,
        "modified_ns: missing, expected a number");
  return file;
}

// Error(kData) unless the text is there as it was written.
std::string_view text_of(const Start& start, std::span<const std::byte> file) {
  check(start.file_bytes == file.size(), ErrorKind::kData, file.size(), " bytes, expected ",
        start.file_bytes, file.size() < start.file_bytes ? ": the file is truncated" : "");
  check(start.text_bytes <= kMaxTextBytes && start.text_bytes <= file.size() - sizeof(Start),
        ErrorKind::kData, "a header of ", start.text_bytes, " bytes in a file of ", file.size());
  const std::span<const std::byte> text = file.subspan(sizeof(Start), start.text_bytes);
  check(xxh64(text) == start.text_checksum, ErrorKind::kData, "the header has checksum ",
        hex(xxh64(text)), ", expected ", hex(start.text_checksum));
  return {reinterpret_cast<const char*>(text.data()), text.size()};
}

}  // namespace

std::string PreparedHeader::lay_out() {
  std::uint64_t end = 0;
  json object = {{"compute_type", compute_type}, {"source", json::array()}};
  for (const SourceFile& file : source.files) object["source"].push_back(json_of(file));
  json& list = object["tensors"] = json::object();
  for (auto& [name, tensor] : tensors) {
    tensor.offset = round_up(end, tensor.bytes >= kPageAlignedBytes ? kPage : kOffsetStep);
    end = tensor.offset + tensor.bytes;
    list[name] = json_of(tensor);
  }
  // File names may be any bytes.
  const std::string text = object.dump(-1, ' ', true, json::error_handler_t::replace);
  data_begin = round_up(sizeof(Start) + text.size(), kPage);
  Start start;
  kMagic.copy(start.magic, sizeof(start.magic));
  start.text_bytes = text.size();
  start.text_checksum = xxh64(std::as_bytes(std::span(text)));
  start.file_bytes = data_begin + end;
  std::string bytes(reinterpret_cast<const char*>(&start), sizeof(start));
  bytes += text;
  bytes.resize(data_begin, '\0');
  return bytes;
}

bool PreparedHeader::read(std::span<const std::byte> file, const fs::path& path) {
  *this = {};
  return with_context(escaped(path.native()), [&] {
    Start start;
    check(file.size() >= sizeof(start), ErrorKind::kData, file.size(), " bytes, expected at least ",
          sizeof(start), " in a prepared file");
    std::memcpy(&start, file.data(), sizeof(start));
    check(std::string_view(start.magic, sizeof(start.magic)) == kMagic, ErrorKind::kData,
          "not a prepared file");
    if (start.version != kVersion || start.byte_order != kByteOrder) return false;
    const std::string_view text_bytes = text_of(start, file);
    const json object = parse_json_object(text_bytes, "header");
    compute_type = text(object, "compute_type");
    for (const json& entry : member(object, "source", json::value_t::array))
      source.files.push_back(source_file_of(entry));
    for (const auto& [name, entry] : member(object, "tensors", json::value_t::object).items())
      with_context("tensor " + escaped(name),
                   [&, &n = name, &e = entry] { tensors.emplace(n, tensor_of(e)); });
    data_begin = round_up(sizeof(start) + start.text_bytes, kPage);
    check(data_begin <= file.size(), ErrorKind::kData, "data from byte ", data_begin,
          " in a file of ", file.size(), " bytes");
    check_places(file.size() - data_begin);
    return true;
  });
}

void PreparedHeader::check_places(std::uint64_t data_bytes) const {
  std::vector<const std::pair<const std::string, PreparedTensor>*> by_place;
  for (const auto& entry : tensors) by_place.push_back(&entry);
  std::sort(by_place.begin(), by_place.end(),
            [](const auto* a, const auto* b) { return a->second.offset < b->second.offset; });
  std::uint64_t end = 0;
  for (const auto* entry : by_place) {
    const PreparedTensor& tensor = entry->second;
    const std::string where = "tensor " + escaped(entry->first) + ": ";
    check(tensor.offset % kOffsetStep == 0, ErrorKind::kData, where, "offset ", tensor.offset,
          ", expected a multiple of ", kOffsetStep);
    check(tensor.offset >= end, ErrorKind::kData, where, "offset ", tensor.offset,
          ", expected at least ", end, ", where the previous tensor ends");
    check(tensor.offset <= data_bytes && tensor.bytes <= data_bytes - tensor.offset,
          ErrorKind::kData, where, tensor.bytes, " bytes at offset ", tensor.offset, " of ",
          data_bytes, " bytes of data");
    end = tensor.offset + tensor.bytes;
  }
  check(end == data_bytes, ErrorKind::kData, data_bytes, " bytes of data, expected ", end);
}

}  // namespace switchyard
