// SPDX-License-Identifier: Apache-2.0
#include "src/core/file_content.h"

#include "tests/support/catch.h"

using namespace switchyard;
using namespace std::string_view_literals;

TEST_CASE("file content: formats are recognised by their first bytes") {
  CHECK(
      recognised_content("version https://git-lfs.github.com/spec/v1\n").starts_with("a Git LFS"));
  CHECK(recognised_content("<!DOCTYPE html><html>") == "an HTML page");
  CHECK(recognised_content("<html>") == "an HTML page");
  CHECK(recognised_content("<?xml version") == "an XML document");
  for (const auto& [start, name] : {std::pair("\x1F\x8B\x08\0"sv, "gzip data"sv),
                                    {"\xFF\xFE{\0}\0"sv, "UTF-16 text"},
                                    {"\xFE\xFF\0{"sv, "UTF-16 text"},
                                    {"\xFF\xFE\0\0{\0\0\0"sv, "UTF-32 text"},
                                    {"\0\0\xFE\xFF"sv, "UTF-32 text"},
                                    {"%PDF-1.7"sv, "a PDF"}}) {
    CAPTURE(name);
    CHECK(recognised_content(start) == name);
    CHECK(recognised_binary(start) == name);
  }
  CHECK(recognised_content("PK\x03\x04").starts_with("a zip archive"));
}

TEST_CASE("file content: text of any kind is not binary, and other bytes are not recognised") {
  for (const auto text : {"version https://git-lfs.github.com"sv, "<!doctype html>"sv, "<html>"sv,
                          "<?xml version"sv, ""sv, "PK"sv, "{}"sv, "\0\0\0\0"sv})
    CHECK(recognised_binary(text).empty());
  for (const auto other : {""sv, "PK"sv, "{}"sv, "version 1"sv, "\0\0\0\0"sv})
    CHECK(recognised_content(other).empty());
}
