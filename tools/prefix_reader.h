// SPDX-License-Identifier: Apache-2.0
// switch-translate --prefix: a file with what the translation of each input line starts with.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "src/text/line_reader.h"

namespace switchyard {

class PrefixReader {
 public:
  // `name` and `input_name` are those of the two files in messages. Error as LineReader.
  PrefixReader(const std::filesystem::path& path, std::string name, std::string input_name);

  // Reads the prefix of `line`, which `input` has just returned; null at its end. Error(kData) with
  // both counts if only one of the two files has ended.
  void read_for(LineReader& input, const std::string* line);

  // Returns the prefixes read since the last call.
  std::vector<std::string> take();

 private:
  [[noreturn]] void fail_counts(LineReader& input);

  std::string name_, input_name_;
  LineReader reader_;
  std::vector<std::string> prefixes_;
};

}  // namespace switchyard
