// SPDX-License-Identifier: Apache-2.0
#include "src/core/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "src/core/error.h"

namespace switchyard {

namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;
constexpr std::string_view kTemporaryMark = ".tmp-";

// Calls a function of the system until it is not interrupted by a signal.
template <class F>
auto retry(F&& f) {
  auto result = f();
  while (result == -1 && errno == EINTR) result = f();
  return result;
}

[[noreturn]] void fail_errno(const fs::path& path, std::string_view operation, int error) {
  fail(ErrorKind::kRuntime, escaped(path.native()), ": ", operation, ": ",
       std::generic_category().message(error));
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

 private:
  int fd_;
};

// Opens a regular file for reading; anything else is an error at once. O_NONBLOCK: opening a FIFO
// would otherwise wait for its writer.
int open_regular(const fs::path& path, std::size_t& size_bytes) {
  const int fd =
      retry([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); });
  if (fd < 0) fail_errno(path, "cannot open", errno);
  struct stat status = {};
  if (::fstat(fd, &status) != 0) {
    const int error = errno;
    ::close(fd);
    fail_errno(path, "cannot stat", error);
  }
  if (!S_ISREG(status.st_mode)) {
    ::close(fd);
    const char* what = S_ISDIR(status.st_mode)                              ? "a folder"
                       : S_ISFIFO(status.st_mode)                           ? "a named pipe"
                       : S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode) ? "a device"
                                                                            : "a special file";
    fail(ErrorKind::kRuntime, escaped(path.native()), ": ", what, ", expected a regular file");
  }
  size_bytes = static_cast<std::size_t>(status.st_size);
  return fd;
}

fs::path folder_of(const fs::path& path) {
  const fs::path folder = path.parent_path();
  return folder.empty() ? fs::path(".") : folder;
}

// A name beside `path` that no other writer uses. Its form is what remove_leftovers() looks for.
fs::path temporary_beside(const fs::path& path) {
  static std::atomic<unsigned> counter{0};
  fs::path temporary = path;
  temporary +=
      std::string(kTemporaryMark) + std::to_string(::getpid()) + "-" + std::to_string(counter++);
  return temporary;
}

bool is_temporary(const std::string& name) {
  const std::size_t mark = name.rfind(kTemporaryMark);
  if (mark == std::string::npos) return false;
  const std::string_view rest = std::string_view(name).substr(mark + kTemporaryMark.size());
  return !rest.empty() && std::all_of(rest.begin(), rest.end(),
                                      [](char c) { return c == '-' || (c >= '0' && c <= '9'); });
}

void rename_or_fail(const fs::path& from, const fs::path& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) fail_errno(to, "cannot rename into place", errno);
}

// Puts what was written beside its place there; where that fails nothing is left behind.
void move_into_place(const fs::path& temporary, const fs::path& path) {
  if (std::rename(temporary.c_str(), path.c_str()) == 0) return;
  const int error = errno;
  ::unlink(temporary.c_str());
  fail_errno(path, "cannot rename into place", error);
}

void sync_path(const fs::path& path, int flags) {
  const Descriptor file(retry([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags); }));
  if (file.get() < 0) fail_errno(path, "cannot open to sync", errno);
  if (retry([&] { return ::fsync(file.get()); }) != 0) fail_errno(path, "fsync", errno);
}

// fsync of everything in a folder, the deepest first, and of the folder itself.
void sync_tree(const fs::path& folder) {
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.is_symlink()) continue;
    if (entry.is_directory()) sync_tree(entry.path());
    if (entry.is_regular_file()) sync_path(entry.path(), 0);
  }
  sync_folder(folder);
}

// Puts the folder `temporary` where `path` is; what was there lies at `temporary` afterwards.
void exchange_folders(const fs::path& temporary, const fs::path& path) {
  if (::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, path.c_str(), RENAME_EXCHANGE) == 0)
    return;
  // Some file systems cannot exchange; the old folder then steps aside first.
  if (errno != EINVAL && errno != ENOSYS) fail_errno(path, "cannot replace", errno);
  const fs::path old = temporary_beside(path);
  rename_or_fail(path, old);
  rename_or_fail(temporary, path);
  rename_or_fail(old, temporary);
}

}  // namespace

std::size_t checked_mul(std::size_t a, std::size_t b, std::string_view what) {
  std::size_t result = 0;
  if (__builtin_mul_overflow(a, b, &result))
    fail(ErrorKind::kData, escaped(what), ": ", a, " * ", b, " is beyond 64 bits");
  return result;
}

std::size_t checked_add(std::size_t a, std::size_t b, std::string_view what) {
  std::size_t result = 0;
  if (__builtin_add_overflow(a, b, &result))
    fail(ErrorKind::kData, escaped(what), ": ", a, " + ", b, " is beyond 64 bits");
  return result;
}

InputFile::InputFile(const fs::path& path) : path_(path), fd_(open_regular(path, size_bytes_)) {}

InputFile::~InputFile() { ::close(fd_); }

void InputFile::read(std::size_t begin, std::span<std::byte> to) const {
  std::size_t done = 0;
  while (done < to.size()) {
    const auto at = static_cast<off_t>(begin + done);
    const ssize_t n = retry([&] { return ::pread(fd_, to.data() + done, to.size() - done, at); });
    if (n < 0) fail_errno(path_, "cannot read", errno);
    check(n > 0, ErrorKind::kRuntime, escaped(path_.native()), ": ended after ", begin + done,
          " of ", size_bytes_, " bytes; was it cut while being read?");
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

DurableFile::DurableFile(fs::path path)
    : path_(std::move(path)), temporary_(temporary_beside(path_)) {
  fd_ = retry([&] {
    return ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
  });
  if (fd_ < 0) fail_errno(temporary_, "cannot create", errno);
  buffer_.reserve(kBufferBytes);
}

DurableFile::~DurableFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
}

void DurableFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const std::size_t n = std::min(bytes.size(), kBufferBytes - buffer_.size());
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n));
    bytes = bytes.subspan(n);
    if (buffer_.size() == kBufferBytes) flush();
  }
}

void DurableFile::flush() {
  std::size_t done = 0;
  while (done < buffer_.size()) {
    const ssize_t n =
        retry([&] { return ::write(fd_, buffer_.data() + done, buffer_.size() - done); });
    if (n < 0) {
      const int error = errno;
      fail(ErrorKind::kRuntime, escaped(path_.native()), ": write error after ",
           written_bytes_ + done, " bytes: ", std::generic_category().message(error));
    }
    done += static_cast<std::size_t>(n);
  }
  written_bytes_ += done;
  buffer_.clear();
}

void DurableFile::commit() {
  flush();
  if (retry([&] { return ::fsync(fd_); }) != 0) fail_errno(path_, "fsync", errno);
  // close() is not retried: Linux has given the descriptor back even where it reports EINTR.
  const int closed = ::close(fd_);
  const int error = errno;
  fd_ = -1;
  if (closed != 0 && error != EINTR) {
    ::unlink(temporary_.c_str());
    fail_errno(path_, "close", error);
  }
  move_into_place(temporary_, path_);
  sync_folder(folder_of(path_));
}

void write_file_durably(const fs::path& path, std::string_view text) {
  DurableFile file(path);
  file.write(text);
  file.commit();
}

void write_folder_durably(const fs::path& path, const std::function<void(const fs::path&)>& fill) {
  const fs::path temporary = temporary_beside(path);
  std::error_code ignored;
  try {
    fs::remove_all(temporary);
    fs::create_directory(temporary);
    fill(temporary);
    sync_tree(temporary);
    if (fs::exists(fs::symlink_status(path))) {
      exchange_folders(temporary, path);
      sync_folder(folder_of(path));
      fs::remove_all(temporary);
    } else {
      rename_or_fail(temporary, path);
      sync_folder(folder_of(path));
    }
  } catch (const fs::filesystem_error& e) {
    fs::remove_all(temporary, ignored);
    fail_errno(path, "cannot write the folder", e.code().value());
  } catch (...) {
    fs::remove_all(temporary, ignored);
    throw;
  }
}

void sync_folder(const fs::path& path) { sync_path(path, O_DIRECTORY); }

void replace_symlink(const fs::path& link, const fs::path& target) {
  const fs::path temporary = temporary_beside(link);
  ::unlink(temporary.c_str());
  if (::symlink(target.c_str(), temporary.c_str()) != 0)
    fail_errno(link, "cannot create the link", errno);
  move_into_place(temporary, link);
  sync_folder(folder_of(link));
}

void remove_leftovers(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> leftovers;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error))
    if (is_temporary(entry.path().filename().native())) leftovers.push_back(entry.path());
  for (const fs::path& path : leftovers) fs::remove_all(path, error);
}

}  // namespace switchyard
