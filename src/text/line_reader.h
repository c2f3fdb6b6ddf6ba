// SPDX-License-Identifier: Apache-2.0
// Text files by lines. Lines end at \n only; a \r before it is dropped, so is a byte order mark at
// the start; every other character, NUL included, is text. Warns if a file seems to have lines that
// end in \r alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace switchyard {

// Reads lines from a file, gunzipped where its name ends in .gz, or from stdin (path "-").
// A file that cannot be read: Error(kRuntime). One that is UTF-16, gzip or binary, or a damaged
// .gz: Error(kData) that says what it looks like.
class LineReader {
 public:
  explicit LineReader(const std::filesystem::path& path);
  ~LineReader();
  LineReader(LineReader&&) noexcept;
  LineReader& operator=(LineReader&&) noexcept;

  // False at the end. A last line without \n counts; an empty file has none.
  bool next(std::string& line);
  // Whether next() would return at once: false while a pipe or terminal has no whole line yet.
  bool ready();
  std::int64_t lines() const;  // returned so far

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

std::vector<std::string> read_lines(const std::filesystem::path& path);

}  // namespace switchyard
