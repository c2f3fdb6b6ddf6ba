// SPDX-License-Identifier: Apache-2.0
// usage: durable_writes DIRECTORY
// Calls each function of core/durable_file.h once in DIRECTORY, so that order_test.py can check its
// file system calls. A directory is filled with files that are not written by those functions, and
// thus not synced before the directory is.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

#include "src/core/durable_file.h"
#include "src/core/error.h"

using namespace switchyard;

namespace {

void write_plainly(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  check(fd >= 0 && ::write(fd, "text", 4) == 4, ErrorKind::kRuntime, path.string());
  ::close(fd);
}

void fill(const fs::path& directory) {
  write_plainly(directory / "plain");
  fs::create_directories(directory / "sub" / "deeper");
  write_plainly(directory / "sub" / "deeper" / "plain");
  fs::create_symlink("plain", directory / "sub" / "link");
}

}  // namespace

int main(int, char** argv) {
  try {
    const fs::path directory = argv[1];
    fs::create_directory(directory);
    write_file_durably(directory / "file", "text");
    copy_file_durably(directory / "file", directory / "copy");
    replace_symlink(directory / "link", "file");
    write_directory_durably(directory / "new", fill);
    write_directory_durably(directory / "new", fill);  // replaces it
    remove_directory(directory / "new");
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
