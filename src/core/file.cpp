// SPDX-License-Identifier: Apache-2.0
#include "src/core/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "src/core/error.h"
#include "src/core/system_call.h"

namespace switchyard {

FileState state_of(int fd, const fs::path& path) {
  struct stat status = {};
  if (::fstat(fd, &status) != 0) fail_errno(path, "cannot stat", errno);
  return {static_cast<std::size_t>(status.st_size),
          std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec};
}

int open_regular(const fs::path& path) {
  Descriptor file(
      retry([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); }));
  if (file.get() < 0) fail_errno(path, "cannot open", errno);
  struct stat status = {};
  if (::fstat(file.get(), &status) != 0) fail_errno(path, "cannot stat", errno);
  if (S_ISREG(status.st_mode)) return file.release();
  const char* what = S_ISDIR(status.st_mode)                              ? "a directory"
                     : S_ISFIFO(status.st_mode)                           ? "a named pipe"
                     : S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode) ? "a device"
                                                                          : "a special file";
  fail(ErrorKind::kRuntime, escaped(path.native()), ": ", what, ", expected a regular file");
}

std::size_t checked_mul(std::size_t a, std::size_t b, std::string_view what) {
  std::size_t result = 0;
  if (__builtin_mul_overflow(a, b, &result))
    fail(ErrorKind::kData, escaped(what), ": ", a, " * ", b, " is beyond 64 bits");
  return result;
}

InputFile::InputFile(const fs::path& path) : path_(path) {
  Descriptor file(open_regular(path));
  state_ = state_of(file.get(), path);
  fd_ = file.release();
}

InputFile::~InputFile() { ::close(fd_); }

void InputFile::read(std::size_t begin, std::span<std::byte> to) const {
  std::size_t done = 0;
  while (done < to.size()) {
    const auto at = static_cast<off_t>(begin + done);
    const ssize_t n = retry([&] { return ::pread(fd_, to.data() + done, to.size() - done, at); });
    if (n < 0) fail_errno(path_, "cannot read", errno);
    check(n > 0, ErrorKind::kRuntime, escaped(path_.native()), ": ended after ", begin + done,
          " of ", size_bytes(), " bytes; was it truncated while being read?");
    done += static_cast<std::size_t>(n);
  }
}

std::string read_file(const fs::path& path, std::size_t max_bytes) {
  const InputFile file(path);
  check(file.size_bytes() <= max_bytes, ErrorKind::kData, escaped(path.native()), ": ",
        file.size_bytes(), " bytes, expected at most ", max_bytes);
  std::string text(file.size_bytes(), '\0');
  file.read(0, std::as_writable_bytes(std::span(text.data(), text.size())));
  return text;
}

}  // namespace switchyard
