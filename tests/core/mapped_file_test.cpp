// SPDX-License-Identifier: Apache-2.0
#include "src/core/mapped_file.h"

#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "src/core/error.h"
#include "tests/support/catch.h"
#include "tests/support/temp_directory.h"

using namespace switchyard;

TEST_CASE("a mapped file has the file's bytes, and addresses in it have its name") {
  const TempDirectory directory;
  const std::string text(10'000, 'x');
  const fs::path path = directory / "a";
  write_text(path, text);
  const std::byte* data = nullptr;
  {
    const MappedFile file(path);
    REQUIRE(file.bytes().size() == text.size());
    data = file.bytes().data();
    CHECK(std::memcmp(data, text.data(), text.size()) == 0);
    CHECK(std::string(mapped_file_at(data)) == path.native());
    CHECK(std::string(mapped_file_at(data + text.size() - 1)) == path.native());
    CHECK(mapped_file_at(&text) == nullptr);
    file.check_unchanged();
  }
  CHECK(mapped_file_at(data) == nullptr);
}

TEST_CASE("more files can be mapped than have names") {
  const TempDirectory directory;
  write_text(directory / "a", "x");
  std::vector<std::unique_ptr<MappedFile>> files;
  for (int i = 0; i < 40; ++i) files.push_back(std::make_unique<MappedFile>(directory / "a"));
  for (const auto& file : files) CHECK(file->bytes()[0] == std::byte{'x'});
  files.clear();
  const MappedFile again(directory / "a");
  CHECK(mapped_file_at(again.bytes().data()) != nullptr);
}

TEST_CASE("a mapped file notices writes, but is not disturbed by its replacement") {
  const TempDirectory directory;
  const fs::path path = directory / "a";
  write_text(path, "old");
  const MappedFile file(path);
  write_text(directory / "b", "longer");
  fs::rename(directory / "b", path);
  file.check_unchanged();
  CHECK(file.bytes()[0] == std::byte{'o'});

  const MappedFile second(path);
  const auto time = fs::last_write_time(path);
  fs::resize_file(path, 2);
  CHECK_THROWS_AS(second.check_unchanged(), Error);
  write_text(path, "LONGER");
  fs::last_write_time(path, time + std::chrono::nanoseconds(1000));
  CHECK_THROWS_AS(second.check_unchanged(), Error);
  file.check_unchanged();
}

TEST_CASE("what cannot be mapped is an error; an empty file is empty") {
  const TempDirectory directory;
  CHECK_THROWS_AS(MappedFile(directory.path()), Error);
  CHECK_THROWS_AS(MappedFile(directory / "nowhere"), Error);
  CHECK_THROWS_AS(MappedFile("/dev/zero"), Error);
  write_text(directory / "a", "");
  const MappedFile file(directory / "a");
  CHECK(file.bytes().empty());
  file.check_unchanged();
}
