// SPDX-License-Identifier: Apache-2.0
// Reads text files line by line. Lines end at \n only. A \r before it is dropped, and so is a byte
// order mark at the start; every other character, including NUL, is text. Warns if a file's lines
// seem to end in \r alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace switchyard {

// Reads lines from a file, which is decompressed if its name ends in .gz, or from stdin (path "-").
// Error(kRuntime) if the file cannot be read. Error(kData) if it is a damaged .gz file or not UTF-8
// text; the message then says what it looks like.
class LineReader {
 public:
  explicit LineReader(const std::filesystem::path& path);
  ~LineReader();
  LineReader(LineReader&&) noexcept;
  LineReader& operator=(LineReader&&) noexcept;

  // Assigns the next line and returns true, or returns false at the end. A last line without \n
  // counts; an empty file has no lines.
  bool next(std::string& line);
  // Returns true if next() would not block: a whole line is available, or the input has ended.
  // Always true for .gz files.
  bool ready();
  std::int64_t lines() const;  // read so far

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Reads all lines of a file.
std::vector<std::string> read_lines(const std::filesystem::path& path);

}  // namespace switchyard
