// SPDX-License-Identifier: Apache-2.0
// Reading files. Errors name the file, the operation and errno's text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace switchyard {

namespace fs = std::filesystem;

// a * b, for sizes that come from a file; Error(kData) naming `what` if it overflows.
std::size_t checked_mul(std::size_t a, std::size_t b, std::string_view what);

// Opens a regular file for reading and returns its descriptor. Anything else is an Error(kRuntime)
// at once, without waiting for a FIFO's writer.
int open_regular(const fs::path& path);

struct FileState {
  std::size_t size_bytes = 0;
  std::int64_t modified_ns = 0;  // since 1970
};
// Of an open file; Error(kRuntime) naming `path` if the system does not tell.
FileState state_of(int fd, const fs::path& path);

// A regular file with random access. A directory, FIFO, device, dangling link or missing file is an
// Error(kRuntime) at once, without blocking. Files are read, not mapped: if one is truncated while
// in use, reading it is an error, whereas touching a mapping raises SIGBUS. The exception is
// core/mapped_file.
class InputFile {
 public:
  explicit InputFile(const fs::path& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const fs::path& path() const { return path_; }
  // At the time of opening.
  std::size_t size_bytes() const { return state_.size_bytes; }
  std::int64_t modified_ns() const { return state_.modified_ns; }
  // Fills `to`, reading from byte `begin`. Error(kRuntime) if the file ends too early.
  void read(std::size_t begin, std::span<std::byte> to) const;

 private:
  fs::path path_;
  FileState state_;
  int fd_ = -1;
};

// The contents of a regular file; Error(kData) if it is larger than `max_bytes`.
std::string read_file(const fs::path& path, std::size_t max_bytes = std::size_t{1} << 30);

}  // namespace switchyard
