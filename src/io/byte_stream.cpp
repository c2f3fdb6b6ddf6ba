// SPDX-License-Identifier: Apache-2.0
#include "src/io/byte_stream.h"

#include <zlib.h>

#include <algorithm>
#include <vector>

#include "src/core/error.h"

namespace switchyard {

namespace {

constexpr std::size_t kBlock = std::size_t{1} << 16;
// deflate shrinks nothing to less than a 1032nd (zlib's documentation).
constexpr std::size_t kBestRatio = 1032;

class FileStream : public ByteStream {
 public:
  FileStream(const InputFile& file, std::size_t begin) : file_(file), at_(begin) {}

  void read(std::span<std::byte> to) override {
    file_.read(at_, to);
    at_ += to.size();
  }
  void finish() override {}

 private:
  const InputFile& file_;
  std::size_t at_;
};

class PlainFile : public ByteStream {
 public:
  explicit PlainFile(const fs::path& path) : file_(path) {}

  void read(std::span<std::byte> to) override {
    check(to.size() <= file_.size_bytes() - at_, ErrorKind::kData, escaped(file_.path().native()),
          ": ", file_.size_bytes(), " bytes, expected more");
    file_.read(at_, to);
    at_ += to.size();
  }
  void finish() override {
    check(at_ == file_.size_bytes(), ErrorKind::kData, escaped(file_.path().native()), ": ",
          file_.size_bytes(), " bytes, expected ", at_);
  }

 private:
  InputFile file_;
  std::size_t at_ = 0;
};

class CompressedFile : public ByteStream {
 public:
  CompressedFile(const fs::path& path, Compression compression) : file_(path), input_(kBlock) {
    // Adding 16 selects gzip's header and checksum.
    const int window_bits = MAX_WBITS + (compression == Compression::gzip ? 16 : 0);
    check(::inflateInit2(&z_, window_bits) == Z_OK, ErrorKind::kRuntime, "zlib: out of memory");
  }
  ~CompressedFile() override { ::inflateEnd(&z_); }
  CompressedFile(const CompressedFile&) = delete;
  CompressedFile& operator=(const CompressedFile&) = delete;

  void read(std::span<std::byte> to) override {
    const std::size_t filled = inflate_some(to);
    check(filled == to.size(), ErrorKind::kData, escaped(file_.path().native()), ": holds ",
          before_ + filled, " bytes, expected more");
    before_ += filled;
  }

  void finish() override {
    std::byte one{};
    check(inflate_some({&one, 1}) == 0, ErrorKind::kData, escaped(file_.path().native()),
          ": holds more than the expected ", before_, " bytes");
    check(at_ == file_.size_bytes() && z_.avail_in == 0, ErrorKind::kData,
          escaped(file_.path().native()), ": data after the end of the compressed data");
  }

 private:
  // Returns how much of `to` was filled: less than all at the end of the compressed data.
  std::size_t inflate_some(std::span<std::byte> to) {
    std::size_t filled = 0;
    while (!ended_ && filled < to.size()) {
      if (z_.avail_in == 0) fetch();
      const std::size_t room = std::min(to.size() - filled, kBlock);
      z_.next_out = reinterpret_cast<Bytef*>(to.data() + filled);
      z_.avail_out = static_cast<uInt>(room);
      const int result = ::inflate(&z_, Z_NO_FLUSH);
      filled += room - z_.avail_out;
      ended_ = result == Z_STREAM_END;
      if (!ended_ && result != Z_OK) fail_damaged(z_.msg ? z_.msg : ::zError(result));
    }
    return filled;
  }

  void fetch() {
    const std::size_t n = std::min(kBlock, file_.size_bytes() - at_);
    if (n == 0) fail_damaged("unexpected end; is the file truncated?");
    file_.read(at_, std::span(input_).first(n));
    at_ += n;
    z_.next_in = reinterpret_cast<Bytef*>(input_.data());
    z_.avail_in = static_cast<uInt>(n);
  }

  [[noreturn]] void fail_damaged(const char* reason) const {
    fail(ErrorKind::kData, escaped(file_.path().native()), ": damaged compressed data: ", reason);
  }

  InputFile file_;
  std::vector<std::byte> input_;
  z_stream z_ = {};
  std::size_t at_ = 0;      // in the file
  std::size_t before_ = 0;  // bytes returned so far
  bool ended_ = false;
};

}  // namespace

std::unique_ptr<ByteStream> file_stream(const InputFile& file, std::size_t begin) {
  return std::make_unique<FileStream>(file, begin);
}

std::unique_ptr<ByteStream> open_stream(const fs::path& path, Compression compression) {
  if (compression == Compression::none) return std::make_unique<PlainFile>(path);
  return std::make_unique<CompressedFile>(path, compression);
}

bool can_hold(Compression compression, std::size_t compressed, std::size_t bytes) {
  if (compression == Compression::none) return compressed == bytes;
  return bytes / kBestRatio <= compressed;
}

}  // namespace switchyard
