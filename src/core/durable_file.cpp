// SPDX-License-Identifier: Apache-2.0
#include "src/core/durable_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <cstdio>
#include <string>
#include <utility>

#include "src/core/file.h"
#include "src/core/system_call.h"

namespace switchyard {

namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;
constexpr std::string_view kTemporaryMark = ".tmp-";
constexpr std::string_view kAsideMark = ".aside";

fs::path directory_of(const fs::path& path) {
  const fs::path directory = path.parent_path();
  return directory.empty() ? fs::path(".") : directory;
}

// A name next to `path` that no other writer uses, in the form that remove_leftovers() looks for.
fs::path temporary_beside(const fs::path& path) {
  static std::atomic<unsigned> counter{0};
  fs::path temporary = path;
  temporary +=
      std::string(kTemporaryMark) + std::to_string(::getpid()) + "-" + std::to_string(counter++);
  return temporary;
}

// The name from which temporary_beside() made `name`; empty if it did not make `name`.
std::string_view name_of_temporary(std::string_view name) {
  const std::size_t mark = name.rfind(kTemporaryMark);
  if (mark == std::string_view::npos) return {};
  const std::string_view rest = name.substr(mark + kTemporaryMark.size());
  const std::size_t dash = rest.find('-');
  const auto number = [](std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
  };
  const bool ours =
      dash != rest.npos && number(rest.substr(0, dash)) && number(rest.substr(dash + 1));
  return ours ? name.substr(0, mark) : std::string_view{};
}

void rename_or_fail(const fs::path& from, const fs::path& to) {
  if (std::rename(from.c_str(), to.c_str()) == 0) return;
  const int error = errno;
  fail_errno(from, "cannot rename to " + escaped(to.filename().native()), error);
}

// Renames a temporary into place, or removes it on failure.
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

// Fsyncs everything in a directory, deepest first, then the directory itself.
void sync_tree(const fs::path& directory) {
  for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
    if (entry.is_symlink()) continue;
    if (entry.is_directory()) sync_tree(entry.path());
    if (entry.is_regular_file()) sync_path(entry.path(), 0);
  }
  sync_directory(directory);
}

// Swaps the directories `temporary` and `path`.
void exchange_directories(const fs::path& temporary, const fs::path& path) {
  if (::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, path.c_str(), RENAME_EXCHANGE) == 0)
    return;
  // Some file systems cannot exchange. On those, the old directory is first moved aside, under a
  // name from which remove_leftovers() can restore it.
  if (errno != EINVAL && errno != ENOSYS) fail_errno(path, "cannot replace", errno);
  const fs::path old = temporary_beside(fs::path(path) += kAsideMark);
  rename_or_fail(path, old);
  try {
    rename_or_fail(temporary, path);
  } catch (const Error&) {
    std::rename(old.c_str(), path.c_str());
    throw;
  }
  rename_or_fail(old, temporary);
}

}  // namespace

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
  const std::size_t done =
      write_all(fd_, {reinterpret_cast<const char*>(buffer_.data()), buffer_.size()});
  const int error = errno;
  written_bytes_ += done;
  if (done < buffer_.size())
    fail_errno(path_, "write error after " + std::to_string(written_bytes_) + " bytes", error);
  buffer_.clear();
}

void DurableFile::write_at(std::size_t offset, std::string_view text) {
  flush();
  assert(offset + text.size() <= written_bytes_);
  while (!text.empty()) {
    const ssize_t n =
        retry([&] { return ::pwrite(fd_, text.data(), text.size(), static_cast<off_t>(offset)); });
    if (n <= 0) fail_errno(path_, "write error", n == 0 ? EIO : errno);
    text.remove_prefix(static_cast<std::size_t>(n));
    offset += static_cast<std::size_t>(n);
  }
}

void DurableFile::commit() {
  flush();
  if (retry([&] { return ::fsync(fd_); }) != 0) fail_errno(path_, "fsync", errno);
  // close() is not retried: Linux releases the descriptor even if it reports EINTR.
  const int closed = ::close(fd_);
  const int error = errno;
  fd_ = -1;
  if (closed != 0 && error != EINTR) {
    ::unlink(temporary_.c_str());
    fail_errno(path_, "close", error);
  }
  move_into_place(temporary_, path_);
  sync_directory(directory_of(path_));
}

void write_file_durably(const fs::path& path, std::string_view text) {
  DurableFile file(path);
  file.write(text);
  file.commit();
}

void copy_file_durably(const fs::path& from, const fs::path& to) {
  const InputFile source(from);
  DurableFile file(to);
  std::vector<std::byte> block;
  for (std::size_t first = 0; first < source.size_bytes(); first += kBufferBytes) {
    block.resize(std::min(kBufferBytes, source.size_bytes() - first));
    source.read(first, block);
    file.write(block);
  }
  file.commit();
}

void write_directory_durably(const fs::path& path,
                             const std::function<void(const fs::path&)>& fill) {
  const fs::path temporary = temporary_beside(path);
  std::error_code ignored;
  try {
    fs::remove_all(temporary);
    fs::create_directory(temporary);
    fill(temporary);
    sync_tree(temporary);
    if (fs::exists(fs::symlink_status(path))) {
      exchange_directories(temporary, path);
      sync_directory(directory_of(path));
      fs::remove_all(temporary, ignored);
    } else {
      rename_or_fail(temporary, path);
      sync_directory(directory_of(path));
    }
  } catch (const fs::filesystem_error& e) {
    fs::remove_all(temporary, ignored);
    fail_errno(path, "cannot write the directory", e.code().value());
  } catch (...) {
    fs::remove_all(temporary, ignored);
    throw;
  }
}

bool is_temporary(const fs::path& path) {
  // A trailing slash is an empty last component.
  const fs::path name = path.has_filename() ? path.filename() : path.parent_path().filename();
  return !name_of_temporary(name.native()).empty();
}

void sync_directory(const fs::path& path) { sync_path(path, O_DIRECTORY); }

void remove_directory(const fs::path& path) {
  const fs::path doomed = temporary_beside(path);
  rename_or_fail(path, doomed);
  std::error_code error;
  fs::remove_all(doomed, error);
  if (error) fail_errno(doomed, "cannot remove", error.value());
}

void replace_symlink(const fs::path& link, const fs::path& target) {
  const fs::path temporary = temporary_beside(link);
  ::unlink(temporary.c_str());
  if (::symlink(target.c_str(), temporary.c_str()) != 0)
    fail_errno(link, "cannot create the link", errno);
  move_into_place(temporary, link);
  sync_directory(directory_of(link));
}

void remove_leftovers(const fs::path& directory) {
  std::error_code error;
  std::vector<fs::path> leftovers;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, error))
    if (!name_of_temporary(entry.path().filename().native()).empty())
      leftovers.push_back(entry.path());
  for (const fs::path& path : leftovers) {
    const std::string name = path.filename().native();
    const std::string_view stem = name_of_temporary(name);
    if (stem.ends_with(kAsideMark)) {
      const fs::path place = directory / stem.substr(0, stem.size() - kAsideMark.size());
      if (!fs::exists(fs::symlink_status(place, error))) {
        rename_or_fail(path, place);
        continue;
      }
    }
    fs::remove_all(path, error);
  }
}

}  // namespace switchyard
