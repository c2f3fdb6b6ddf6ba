// SPDX-License-Identifier: Apache-2.0
// Identifies the weights that a prepared file was made from, by the names, sizes, modification
// times and checksums of their files.
//
// Reading all weights at every start would take the time that a prepared file saves. A file with
// the recorded modification time is therefore compared by size and by samples of its content; one
// with another time, such as a copy, by all of its content.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "src/io/tensor_source.h"

namespace switchyard {

struct SourceFile {
  std::string name;  // without directories
  std::uint64_t bytes = 0;
  std::int64_t modified_ns = 0;
  std::uint64_t sample = 0;    // XXH64 of some blocks of its content
  std::uint64_t checksum = 0;  // XXH64 of all of it
};

struct Source {
  std::vector<SourceFile> files;

  Source() = default;
  // Reads every file. Error(kRuntime) if one cannot be read, Error(kData) if one changes meanwhile.
  explicit Source(const TensorSource& weights);

  // Returns why `weights` are not these files, to print after "it is stale: "; "" if they are.
  std::string difference(const TensorSource& weights) const;
};

}  // namespace switchyard
