// SPDX-License-Identifier: Apache-2.0
// A file mapped into memory, read-only: its pages are read on first use and shared by all processes
// that map it.
//
// If the file is written to or truncated, the mapped memory changes, too. This cannot be prevented,
// but check_unchanged() detects it, so that results computed from such memory can be discarded.
// Touching a page beyond the new end raises SIGBUS; the handler finds the file's name with
// mapped_file_at(). Replacing the file by renaming another one over it is harmless: the mapping
// keeps the old one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace switchyard {

namespace fs = std::filesystem;

class MappedFile {
 public:
  // Error(kRuntime) if it is not a regular file that can be mapped, as for InputFile.
  explicit MappedFile(const fs::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const fs::path& path() const { return path_; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  // Error(kData) if the file's size or modification time has changed since it was mapped.
  // Thread-safe.
  void check_unchanged() const;

 private:
  fs::path path_;
  int fd_ = -1;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::int64_t modified_ns_ = 0;
  std::size_t slot_ = 0;  // in the table that mapped_file_at() reads
};

// Returns the path of the mapped file that contains the address, or null. Async-signal-safe.
const char* mapped_file_at(const void* address);

}  // namespace switchyard
