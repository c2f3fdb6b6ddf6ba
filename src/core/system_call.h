// SPDX-License-Identifier: Apache-2.0
// Helpers for system calls on files: retry after a signal, errors with errno's text, descriptors
// that close themselves.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "src/core/error.h"

namespace switchyard {

// Repeats a system call as long as signals interrupt it.
template <class F>
auto retry(F&& f) {
  auto result = f();
  while (result == -1 && errno == EINTR) result = f();
  return result;
}

// Throws Error(kRuntime) with this error_number(): "PATH: OPERATION: errno's text".
[[noreturn]] inline void fail_errno(const std::filesystem::path& path, std::string_view operation,
                                    int error) {
  throw Error(ErrorKind::kRuntime,
              escaped(path.native()) + ": " + std::string(operation) + ": " +
                  std::generic_category().message(error),
              error);
}

// Writes all of `text`. Returns the number of bytes written; if it is smaller, errno says why.
inline std::size_t write_all(int fd, std::string_view text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = retry([&] { return ::write(fd, text.data() + done, text.size() - done); });
    if (n == 0) errno = EIO;  // should not happen on a regular file
    if (n <= 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  // Passes ownership to the caller.
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

}  // namespace switchyard
