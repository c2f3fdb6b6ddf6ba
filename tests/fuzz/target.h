// SPDX-License-Identifier: Apache-2.0
// Helpers for fuzz targets. A target passes arbitrary bytes to an entry point of the library, which
// must read them or throw an Error of one kind. Anything else is a finding: another exception, a
// crash, a sanitizer report, too much time or memory.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "src/core/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace switchyard {

template <class F>
void read_or_reject(ErrorKind kind, F&& f) {
  try {
    f();
  } catch (const Error& e) {
    if (e.kind() == kind) return;
    std::fprintf(stderr, "rejected with %d: %s\n", static_cast<int>(e.kind()), e.what());
    std::abort();
  }
}

// An in-memory file, for entry points that take a path.
class MemoryFile {
 public:
  MemoryFile(const std::uint8_t* data, std::size_t size) : fd_(::memfd_create("input", 0)) {
    if (fd_ < 0 || ::write(fd_, data, size) != static_cast<ssize_t>(size)) std::abort();
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

}  // namespace switchyard
