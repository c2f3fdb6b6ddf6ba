// SPDX-License-Identifier: Apache-2.0
// Reading of files. Errors name the file, the operation and errno's text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace switchyard {

namespace fs = std::filesystem;

// a * b of sizes that come from a file; Error(kData) naming `what` where that overflows.
std::size_t checked_mul(std::size_t a, std::size_t b, std::string_view what);

// A regular file read by place. A directory, FIFO, device, dangling link or missing file is an
// Error(kRuntime) at once (never blocks). Read and not mapped: where a file is cut while it is in
// use, reading is an error, while touching a mapping ends the process (SIGBUS).
class InputFile {
 public:
  explicit InputFile(const fs::path& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const fs::path& path() const { return path_; }
  std::size_t size_bytes() const { return size_bytes_; }  // when it was opened
  // Fills `to` with what begins at byte `begin`. Error(kRuntime) where the file ends before.
  void read(std::size_t begin, std::span<std::byte> to) const;

 private:
  fs::path path_;
  std::size_t size_bytes_ = 0;
  int fd_;
};

// The whole of a regular file of at most `max_bytes`; larger: Error(kData).
std::string read_file(const fs::path& path, std::size_t max_bytes = std::size_t{1} << 30);

}  // namespace switchyard
