// SPDX-License-Identifier: Apache-2.0
// Durable writes: after a crash at any moment, a file has either its old content or all of the new.
// Errors name the file, the operation and errno's text.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

namespace switchyard {

namespace fs = std::filesystem;

// Writes a temporary next to `path`, fsyncs it, renames it into place and fsyncs the directory, so
// that after a crash `path` holds either its old content or all of the new. If writing fails, the
// temporary is removed.
class DurableFile {
 public:
  explicit DurableFile(fs::path path);
  ~DurableFile();  // without commit(): removes the temporary and leaves `path` unchanged
  DurableFile(const DurableFile&) = delete;
  DurableFile& operator=(const DurableFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }
  // Overwrites bytes already written: a header that states what follows it.
  void write_at(std::size_t offset, std::string_view text);
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
void copy_file_durably(const fs::path& from, const fs::path& to);

// Writes a directory under a temporary name and renames it into place once its files are durable,
// replacing any directory there. `fill` writes the files into the directory it is given.
void write_directory_durably(const fs::path& path,
                             const std::function<void(const fs::path&)>& fill);

// True if `path` has a name that the functions above give to temporaries: its writer was killed, or
// has not finished yet.
bool is_temporary(const fs::path& path);

// Fsyncs a directory, which makes renames in it durable.
void sync_directory(const fs::path& path);

// Removes a directory and its contents. It is renamed first, so it is never seen half removed.
void remove_directory(const fs::path& path);

// Points the symbolic link `link` at `target` (a relative name) atomically.
void replace_symlink(const fs::path& link, const fs::path& target);

// Cleans up a directory after a writer was killed: removes the temporaries of the functions above
// and restores a directory that an interrupted replacement had moved aside. Call it only while no
// other process writes there.
void remove_leftovers(const fs::path& directory);

}  // namespace switchyard
