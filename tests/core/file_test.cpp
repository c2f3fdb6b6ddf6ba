// SPDX-License-Identifier: Apache-2.0
#include "src/core/file.h"

#include <sys/stat.h>

#include "src/core/error.h"
#include "tests/support/catch.h"
#include "tests/support/temp_directory.h"

using namespace switchyard;

TEST_CASE("file: checked_mul refuses to overflow") {
  const std::size_t large = ~std::size_t{0};
  CHECK(checked_mul(6, 7, "x") == 42);
  CHECK_THROWS_AS(checked_mul(large / 2, 3, "x"), Error);
}

TEST_CASE("file: reads regular files, also empty ones") {
  const TempDirectory folder;
  write_text(folder / "a", "hello");
  write_text(folder / "empty", "");
  const InputFile file(folder / "a");
  CHECK(file.size_bytes() == 5);
  std::string text(3, ' ');
  file.read(1, std::as_writable_bytes(std::span(text)));
  CHECK(text == "ell");
  CHECK_THROWS_AS(file.read(3, std::as_writable_bytes(std::span(text))), Error);
  CHECK(read_file(folder / "empty").empty());
  CHECK(read_file(folder / "a") == "hello");
  CHECK_THROWS_AS(read_file(folder / "a", 4), Error);
}

TEST_CASE("file: anything but a regular file is refused at once") {
  const TempDirectory folder;
  REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
  fs::create_symlink("nowhere", folder / "dangling");
  for (const fs::path& path : {folder / "fifo", folder / "dangling", folder / "missing",
                               folder.path(), fs::path("/dev/zero")}) {
    CAPTURE(path.string());
    CHECK_THROWS_AS(InputFile(path), Error);
    CHECK_THROWS_AS(read_file(path), Error);
  }
}
