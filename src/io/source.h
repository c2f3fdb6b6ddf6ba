// SPDX-License-Identifier: Apache-2.0
// Which weights a prepared file was made from: their files' names, sizes, times and checksums.
//
// Reading all weights at every start would cost what a prepared file saves. A file whose time of
// modification is as recorded is compared by its size and by samples of its content; one with
// another time, such as a copy, by all of its content.
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

  // Returns why `weights` are not these files, to follow "it is stale: "; empty if they are.
  std::string difference(const TensorSource& weights) const;
};

}  // namespace switchyard
