// SPDX-License-Identifier: Apache-2.0
#include "tools/prefix_reader.h"

#include <utility>

#include "src/core/counted.h"
#include "src/core/error.h"

namespace switchyard {

PrefixReader::PrefixReader(const std::filesystem::path& path, std::string name,
                           std::string input_name)
    : name_(std::move(name)), input_name_(std::move(input_name)), reader_(path) {}

void PrefixReader::read_for(LineReader& input, const std::string* line) {
  std::string prefix;
  if (reader_.next(prefix) != (line != nullptr)) fail_counts(input);
  if (line) prefixes_.push_back(std::move(prefix));
}

std::vector<std::string> PrefixReader::take() { return std::exchange(prefixes_, {}); }

void PrefixReader::fail_counts(LineReader& input) {
  for (std::string line; input.next(line);) {
  }
  for (std::string line; reader_.next(line);) {
  }
  fail(ErrorKind::kData, name_, ": ", counted(reader_.lines(), "line"), ", expected ",
       input.lines(), " as in ", input_name_);
}

}  // namespace switchyard
