// SPDX-License-Identifier: Apache-2.0
#include "src/io/flax_file.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "src/core/error.h"

namespace switchyard {

namespace {

using nlohmann::json;

constexpr std::size_t kBlock = std::size_t{1} << 16;
constexpr std::size_t kMaxDepth = 32;
constexpr std::size_t kMaxLeaves = std::size_t{1} << 18;
constexpr std::size_t kMaxPathBytes = 512;
constexpr std::size_t kMaxRank = 8;

// Extension types of flax/serialization.py. A scalar is stored like an array.
constexpr std::uint64_t kArrayType = 1;
constexpr std::uint64_t kComplexType = 2;
constexpr std::uint64_t kScalarType = 3;
// The key by which Flax marks an array of more than 1 GiB, which it splits.
constexpr std::string_view kSplitArray = "__msgpack_chunked_array__";

// A file's bytes one by one, so that it need not be in memory as a whole.
class FileBytes {
 public:
  explicit FileBytes(const InputFile& file) : file_(file) { fetch(); }

  std::size_t position() const { return block_begin_ + at_; }
  bool ended() const { return position() == file_.size_bytes(); }
  char current() const { return block_[at_]; }
  void advance() {
    if (++at_ < block_.size()) return;
    block_begin_ += block_.size();
    at_ = 0;
    fetch();
  }

 private:
  void fetch() {
    block_.resize(std::min(kBlock, file_.size_bytes() - block_begin_));
    file_.read(block_begin_, std::as_writable_bytes(std::span(block_)));
  }

  const InputFile& file_;
  std::vector<char> block_;
  std::size_t block_begin_ = 0;
  std::size_t at_ = 0;
};

class ByteIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = char;

  ByteIterator() = default;  // the end
  explicit ByteIterator(FileBytes& bytes) : bytes_(&bytes) {}

  char operator*() const { return bytes_->current(); }
  ByteIterator& operator++() {
    bytes_->advance();
    return *this;
  }
  ByteIterator operator++(int) {
    ByteIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const ByteIterator& other) const { return ended() == other.ended(); }
  bool operator!=(const ByteIterator& other) const { return !(*this == other); }

 private:
  bool ended() const { return bytes_ == nullptr || bytes_->ended(); }

  FileBytes* bytes_ = nullptr;
};

// The payload of an array: [shape, dtype, bytes].
class ArrayReader : public nlohmann::json_sax<json> {
 public:
  FlaxArray array;

  bool null() override { return unexpected(); }
  bool boolean(bool) override { return unexpected(); }
  bool number_float(number_float_t, const string_t&) override { return unexpected(); }
  bool start_object(std::size_t) override { return unexpected(); }
  bool key(string_t&) override { return unexpected(); }
  bool end_object() override { return unexpected(); }
  bool number_integer(number_integer_t) override { return unexpected(); }

  bool number_unsigned(number_unsigned_t value) override {
    constexpr std::uint64_t kMax = std::uint64_t{1} << 40;
    if (depth_ != 2 || value > kMax || array.shape.size() == kMaxRank) return unexpected();
    array.shape.push_back(static_cast<std::int64_t>(value));
    return true;
  }
  bool string(string_t& value) override {
    if (depth_ != 1 || item_ != 1) return unexpected();
    ++item_;
    array.dtype = value;
    return true;
  }
  bool binary(binary_t& value) override {
    if (depth_ != 1 || item_ != 2) return unexpected();
    ++item_;
    array.bytes = value.size();
    return true;
  }
  bool start_array(std::size_t) override {
    if (depth_ == 2 || item_ != 0) return unexpected();
    ++depth_;
    return true;
  }
  bool end_array() override {
    if (depth_-- == 2) {
      ++item_;
      return true;
    }
    return item_ == 3 || unexpected();
  }
  bool parse_error(std::size_t, const std::string&, const json::exception&) override {
    return unexpected();
  }

 private:
  [[noreturn]] static bool unexpected() {
    fail(ErrorKind::kData, "an array that is not [shape, dtype, bytes]");
  }

  int depth_ = 0;
  int item_ = 0;
};

class TreeReader : public nlohmann::json_sax<json> {
 public:
  explicit TreeReader(const FileBytes& bytes) : bytes_(bytes) {}

  FlaxTree take() { return std::move(tree_); }

  bool null() override { return add({}); }
  bool boolean(bool) override { return add({}); }
  bool number_float(number_float_t, const string_t&) override { return add({}); }
  bool number_integer(number_integer_t value) override { return add(std::int64_t{value}); }
  bool number_unsigned(number_unsigned_t value) override {
    return add(static_cast<std::int64_t>(std::min<std::uint64_t>(value, INT64_MAX)));
  }
  bool string(string_t& value) override { return add(std::move(value)); }

  bool binary(binary_t& value) override {
    if (value.has_subtype() && value.subtype() == kComplexType) return add({});
    check(value.has_subtype() && (value.subtype() == kArrayType || value.subtype() == kScalarType),
          ErrorKind::kData, place(), "bytes of a kind that Flax does not write");
    ArrayReader reader;
    with_context(place() + "payload", [&] {
      json::sax_parse(value.begin(), value.end(), &reader, json::input_format_t::msgpack);
    });
    // Its elements are the last bytes of the payload, and the payload ends here.
    reader.array.begin = bytes_.position() - reader.array.bytes;
    return add(std::move(reader.array));
  }

  bool start_object(std::size_t) override { return open(false); }
  bool start_array(std::size_t) override { return open(true); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& value) override {
    check(value != kSplitArray, ErrorKind::kData, place(),
          "an array of more than 1 GiB that Flax split, expected T5X's form: a zarr array");
    check(value.find('/') == std::string::npos, ErrorKind::kData, place(), "key ", escaped(value),
          ", expected one without '/'");
    name(value);
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const json::exception& e) override {
    const std::string_view what = e.what();
    // "[json.exception.parse_error.110] parse error at byte 4: ..."
    const std::size_t reason = what.find(": ");
    fail(ErrorKind::kData, place(),
         "damaged msgpack: ", escaped(reason == what.npos ? what : what.substr(reason + 2)));
  }

 private:
  struct Level {
    bool list;
    std::size_t next;        // index in a list
    std::size_t path_bytes;  // of the path of the dict or list itself
  };

  std::string place() const { return "byte " + std::to_string(bytes_.position()) + ": "; }

  void name(std::string_view key) {
    path_.resize(levels_.back().path_bytes);
    if (!path_.empty()) path_ += '/';
    path_ += key;
    check(path_.size() <= kMaxPathBytes, ErrorKind::kData, place(), "a path of ", path_.size(),
          " bytes, expected at most ", kMaxPathBytes);
  }

  void next_in_list() {
    if (!levels_.empty() && levels_.back().list) name(std::to_string(levels_.back().next++));
  }

  bool add(FlaxValue value) {
    check(!levels_.empty(), ErrorKind::kData, "a single value, expected a dict");
    next_in_list();
    check(tree_.size() < kMaxLeaves, ErrorKind::kData, place(), "more than ", kMaxLeaves,
          " values");
    const bool added = tree_.emplace(path_, std::move(value)).second;
    check(added, ErrorKind::kData, place(), escaped(path_), " twice");
    return true;
  }

  bool open(bool list) {
    next_in_list();
    check(levels_.size() < kMaxDepth, ErrorKind::kData, place(), "nested deeper than ", kMaxDepth,
          " levels");
    levels_.push_back({list, 0, path_.size()});
    return true;
  }

  bool close() {
    levels_.pop_back();
    return true;
  }

  const FileBytes& bytes_;
  FlaxTree tree_;
  std::vector<Level> levels_;
  std::string path_;
};

}  // namespace

FlaxTree read_flax_file(const InputFile& file) {
  return with_context(escaped(file.path().native()), [&] {
    FileBytes bytes(file);
    TreeReader reader(bytes);
    json::sax_parse(ByteIterator(bytes), ByteIterator(), &reader, json::input_format_t::msgpack);
    return reader.take();
  });
}

}  // namespace switchyard
