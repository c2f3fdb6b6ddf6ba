// SPDX-License-Identifier: Apache-2.0
// Reading and durable writing of files. Errors name the file, the operation and errno's text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace switchyard {

namespace fs = std::filesystem;

// a * b and a + b of sizes that come from a file; Error(kData) naming `what` where they overflow.
std::size_t checked_mul(std::size_t a, std::size_t b, std::string_view what);
std::size_t checked_add(std::size_t a, std::size_t b, std::string_view what);

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

// Writes a file so that after a crash at any moment `path` holds either what it held before or all
// of what was written: a temporary beside it, fsync, rename, fsync of the folder. The temporary is
// removed where writing fails.
class DurableFile {
 public:
  explicit DurableFile(fs::path path);
  ~DurableFile();  // not committed: the temporary is removed, `path` is as it was
  DurableFile(const DurableFile&) = delete;
  DurableFile& operator=(const DurableFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }
  void commit();

 private:
  void flush();

  fs::path path_;
  fs::path temporary_;
  int fd_ = -1;
  std::size_t written_bytes_ = 0;
  std::vector<std::byte> buffer_;
};

void write_file_durably(const fs::path& path, std::string_view text);

// A folder written under a temporary name and renamed into place once its files are durable; one
// that is there already is replaced. `fill` writes the files (with plain names) into the folder it
// gets.
void write_folder_durably(const fs::path& path, const std::function<void(const fs::path&)>& fill);

// fsync of a folder: makes the renames in it durable.
void sync_folder(const fs::path& path);

// Points the symbolic link `link` at `target` (a relative name) in one step.
void replace_symlink(const fs::path& link, const fs::path& target);

// Removes from a folder what a writer that was killed has left: the temporaries of the functions
// above. Only while no other process writes there.
void remove_leftovers(const fs::path& folder);

}  // namespace switchyard
