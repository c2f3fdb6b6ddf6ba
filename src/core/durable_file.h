// SPDX-License-Identifier: Apache-2.0
// Durable writing: after a crash at any moment there is what was before, or all of what was
// written. Errors name the file, the operation and errno's text.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

namespace switchyard {

namespace fs = std::filesystem;

// Writes a file so that after a crash at any moment `path` holds either what it held before or all
// of what was written: a temporary beside it, fsync, rename, fsync of the directory. The temporary
// is removed where writing fails.
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
void copy_file_durably(const fs::path& from, const fs::path& to);

// A directory written under a temporary name and renamed into place once its files are durable; one
// that is there already is replaced. `fill` writes the files (with plain names) into the directory
// it gets.
void write_directory_durably(const fs::path& path,
                             const std::function<void(const fs::path&)>& fill);

// fsync of a directory: makes the renames in it durable.
void sync_directory(const fs::path& path);

// Removes a directory with all it holds. Under its name it is never seen half removed.
void remove_directory(const fs::path& path);

// Points the symbolic link `link` at `target` (a relative name) in one step.
void replace_symlink(const fs::path& link, const fs::path& target);

// Removes from a directory what a writer that was killed has left: the temporaries of the functions
// above; a directory that had stepped aside for one that did not come is put back. Only while no
// other process writes there.
void remove_leftovers(const fs::path& directory);

}  // namespace switchyard
