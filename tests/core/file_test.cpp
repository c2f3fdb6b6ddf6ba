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
  const TempDirectory directory;
  write_text(directory / "a", "hello");
  write_text(directory / "empty", "");
  const InputFile file(directory / "a");
  CHECK(file.size_bytes() == 5);
  std::string text(3, ' ');
  file.read(1, std::as_writable_bytes(std::span(text)));
  CHECK(text == "ell");
  CHECK_THROWS_AS(file.read(3, std::as_writable_bytes(std::span(text))), Error);
  CHECK(read_file(directory / "empty").empty());
  CHECK(read_file(directory / "a") == "hello");
  CHECK_THROWS_AS(read_file(directory / "a", 4), Error);
}

TEST_CASE("file: anything but a regular file is refused at once") {
  const TempDirectory directory;
  REQUIRE(::mkfifo((directory / "fifo").c_str(), 0600) == 0);
  fs::create_symlink("nowhere", directory / "dangling");
  for (const fs::path& path : {directory / "fifo", directory / "dangling", directory / "missing",
                               directory.path(), fs::path("/dev/zero")}) {
    CAPTURE(path.string());
    CHECK_THROWS_AS(InputFile(path), Error);
    CHECK_THROWS_AS(read_file(path), Error);
  }
}
