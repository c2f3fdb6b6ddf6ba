// SPDX-License-Identifier: Apache-2.0
#include "src/io/safetensors_header.h"

#include <array>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <ostream>
#include <set>
#include <utility>
#include <vector>

#include "src/core/error.h"

namespace switchyard {

namespace {

constexpr std::size_t kMaxRank = 8;

struct DtypeName {
  std::string_view name;
  std::size_t bytes;
};
constexpr std::array<DtypeName, 14> kDtypes = {{{"BOOL", 1},
                                                {"U8", 1},
                                                {"I8", 1},
                                                {"F8_E4M3", 1},
                                                {"F8_E5M2", 1},
                                                {"I16", 2},
                                                {"U16", 2},
                                                {"F16", 2},
                                                {"BF16", 2},
                                                {"I32", 4},
                                                {"U32", 4},
                                                {"F32", 4},
                                                {"I64", 8},
                                                {"F64", 8}}};

// Prefixes an error with the tensor's name. Formatted only if there is an error, as a header may
// have a million tensors.
struct Where {
  const std::string& name;
  friend std::ostream& operator<<(std::ostream& out, const Where& where) {
    return out << "tensor " << escaped(where.name) << ": ";
  }
};

// {NAME: {"dtype": string, "shape": [n...], "data_offsets": [begin, end]}...,
//  "__metadata__": {string: string...}}. Any unexpected event is an error.
class HeaderHandler : public nlohmann::json_sax<nlohmann::json> {
 public:
  HeaderHandler(std::size_t data_bytes, TensorMap& tensors)
      : data_bytes_(data_bytes), tensors_(tensors) {}

  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("true or false"); }
  bool number_integer(number_integer_t value) override { unexpected(std::to_string(value)); }
  bool number_float(number_float_t, const string_t& text) override { unexpected(text); }
  bool binary(binary_t&) override { unexpected("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ == Place::kShape) {
      check(shape_.size() < kMaxRank, ErrorKind::kData, where(), "more than ", kMaxRank,
            " dimensions");
      check(value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()),
            ErrorKind::kData, where(), "a dimension of ", value);
      shape_.push_back(static_cast<std::int64_t>(value));
    } else if (place_ == Place::kOffsets) {
      check(offset_count_ < 2, ErrorKind::kData, where(), "more than 2 data_offsets");
      offsets_[offset_count_++] = value;
    } else {
      unexpected(std::to_string(value));
    }
    return true;
  }

  bool string(string_t& value) override {
    if (place_ == Place::kMetadata) {
      check(metadata_keys_.insert(member_).second, ErrorKind::kData,
            "__metadata__: ", escaped(member_), " twice");
    } else if (place_ == Place::kTensor && member_ == "dtype") {
      dtype_ = nullptr;
      for (const DtypeName& known : kDtypes)
        if (known.name == value) dtype_ = &known;
      if (!dtype_) fail(ErrorKind::kData, where(), "unknown dtype \"", escaped(value), "\"");
    } else {
      unexpected("\"" + escaped(value) + "\"");
    }
    return true;
  }

  bool start_object(std::size_t) override {
    if (place_ == Place::kOutside) {
      place_ = Place::kTop;
    } else if (place_ == Place::kTop && name_ == "__metadata__") {
      check(!std::exchange(metadata_seen_, true), ErrorKind::kData, "__metadata__ twice");
      place_ = Place::kMetadata;
    } else if (place_ == Place::kTop) {
      place_ = Place::kTensor;
      dtype_ = nullptr;
      shape_seen_ = offsets_seen_ = false;
      shape_.clear();
      offset_count_ = 0;
    } else {
      unexpected("an object");
    }
    return true;
  }

  bool key(string_t& value) override {
    if (place_ == Place::kTop) {
      name_ = std::move(value);
      return true;
    }
    member_ = std::move(value);
    if (place_ == Place::kTensor) {
      const bool known = member_ == "dtype" || member_ == "shape" || member_ == "data_offsets";
      if (!known) fail(ErrorKind::kData, where(), "unknown member \"", escaped(member_), "\"");
      const bool again = (member_ == "dtype" && dtype_) || (member_ == "shape" && shape_seen_) ||
                         (member_ == "data_offsets" && offsets_seen_);
      check(!again, ErrorKind::kData, where(), "member \"", member_, "\" twice");
    }
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ == Place::kTensor && member_ == "shape") {
      place_ = Place::kShape;
      shape_seen_ = true;
    } else if (place_ == Place::kTensor && member_ == "data_offsets") {
      place_ = Place::kOffsets;
      offsets_seen_ = true;
    } else {
      unexpected("an array");
    }
    return true;
  }

  bool end_array() override {
    place_ = Place::kTensor;
    return true;
  }

  bool end_object() override {
    if (place_ == Place::kTensor) add_tensor();
    place_ = place_ == Place::kTop ? Place::kOutside : Place::kTop;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception&) override {
    fail(ErrorKind::kData, "the header is not valid JSON at its byte ", position);
  }

 private:
  enum class Place { kOutside, kTop, kTensor, kShape, kOffsets, kMetadata };

  Where where() const { return {name_}; }

  [[noreturn]] void unexpected(const std::string& what) const {
    if (place_ == Place::kOutside)
      fail(ErrorKind::kData, "the header is ", what, ", expected a JSON object");
    if (place_ == Place::kMetadata)
      fail(ErrorKind::kData, "__metadata__: ", what, ", expected strings only");
    if (place_ == Place::kTop) fail(ErrorKind::kData, where(), what, ", expected an object");
    fail(ErrorKind::kData, where(), escaped(member_), ": ", what, ", expected ",
         member_ == "dtype"   ? "a string"
         : member_ == "shape" ? "an array of sizes"
                              : "an array of two offsets");
  }

  void add_tensor() {
    check(dtype_ != nullptr, ErrorKind::kData, where(), "no dtype");
    check(shape_seen_, ErrorKind::kData, where(), "no shape");
    check(offsets_seen_, ErrorKind::kData, where(), "no data_offsets");
    check(offset_count_ == 2, ErrorKind::kData, where(), offset_count_,
          " data_offsets, expected 2");
    const auto [begin, end] = offsets_;
    check(begin <= end && end <= data_bytes_, ErrorKind::kData, where(), "data_offsets [", begin,
          ", ", end, "], expected within the file's ", data_bytes_, " bytes of data");
    std::size_t bytes = dtype_->bytes;
    for (const std::int64_t extent : shape_)
      bytes = checked_mul(bytes, static_cast<std::size_t>(extent), name_);
    if (end - begin != bytes)
      fail(ErrorKind::kData, where(), end - begin, " bytes, expected ", bytes, " from shape ",
           shape_text(shape_), " of ", dtype_->name);
    const bool added =
        tensors_.emplace(name_, StoredTensor{dtype_->name, shape_, bytes, begin}).second;
    check(added, ErrorKind::kData, where(), "twice in the header");
  }

  std::size_t data_bytes_;
  TensorMap& tensors_;

  Place place_ = Place::kOutside;
  bool metadata_seen_ = false;
  std::set<std::string> metadata_keys_;
  std::string name_;    // key at the top level: a tensor or "__metadata__"
  std::string member_;  // key below it
  const DtypeName* dtype_ = nullptr;
  bool shape_seen_ = false;
  std::vector<std::int64_t> shape_;
  bool offsets_seen_ = false;
  std::size_t offset_count_ = 0;
  std::array<std::uint64_t, 2> offsets_ = {};
};

}  // namespace

TensorMap parse_safetensors_header(std::string_view header, std::size_t data_bytes) {
  // The library skips a byte order mark and treats a NUL as the end of the input.
  check(!header.empty() && header.front() == '{', ErrorKind::kData,
        "the header does not start with '{'");
  check(header.find('\0') == std::string_view::npos, ErrorKind::kData,
        "a NUL byte in the header, expected JSON text");
  TensorMap tensors;
  HeaderHandler handler(data_bytes, tensors);
  nlohmann::json::sax_parse(header.begin(), header.end(), &handler);
  return tensors;
}

}  // namespace switchyard
