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

// A regular file with random access. A directory, FIFO, device, dangling link or missing file is an
// Error(kRuntime) at once, without blocking. Files are read, not mapped: if one is truncated while
// in use, reading it is an error, whereas touching a mapping kills the process (SIGBUS).
class InputFile {
 public:
  explicit InputFile(const fs::path& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const fs::path& path() const { return path_; }
  std::size_t size_bytes() const { return size_bytes_; }  // at the time of opening
  // Fills `to`, reading from byte `begin`. Error(kRuntime) if the file ends too early.
  void read(std::size_t begin, std::span<std::byte> to) const;

 private:
  fs::path path_;
  std::size_t size_bytes_ = 0;
  int fd_;
};

// The contents of a regular file; Error(kData) if it is larger than `max_bytes`.
std::string read_file(const fs::path& path, std::size_t max_bytes = std::size_t{1} << 30);

}  // namespace switchyard
