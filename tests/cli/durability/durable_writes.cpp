// SPDX-License-Identifier: Apache-2.0
// usage: durable_writes FOLDER
// Calls each function of core/durable_file.h once in FOLDER, for order_test.py to see what it asks
// of the file system. A folder is filled with files that are not written by those functions and
// thus not synced before the folder is.
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

void fill(const fs::path& folder) {
  write_plainly(folder / "plain");
  fs::create_directories(folder / "sub" / "deeper");
  write_plainly(folder / "sub" / "deeper" / "plain");
  fs::create_symlink("plain", folder / "sub" / "link");
}

}  // namespace

int main(int, char** argv) {
  try {
    const fs::path folder = argv[1];
    fs::create_directory(folder);
    write_file_durably(folder / "file", "text");
    copy_file_durably(folder / "file", folder / "copy");
    replace_symlink(folder / "link", "file");
    write_directory_durably(folder / "new", fill);
    write_directory_durably(folder / "new", fill);  // replaces it
    remove_directory(folder / "new");
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
