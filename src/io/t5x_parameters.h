// SPDX-License-Identifier: Apache-2.0
// The parameters of a T5X checkpoint, under T5X's names, whether they are in the file "checkpoint"
// or in zarr arrays next to it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "src/io/chunked_array.h"

namespace switchyard {

struct T5xParameter {
  std::string path;             // the keys below "target", joined by '/'
  std::filesystem::path place;  // the array's directory; empty if it is in the file
  ChunkedArray array;
};

// Error(kRuntime) if there is no such directory, Error(kData) saying what it is instead if it is
// not a complete T5X checkpoint.
void check_t5x_directory(const std::filesystem::path& directory);

// Sorted by path. `file`, the directory's "checkpoint", must outlive them. Throws what open_t5x()
// throws.
std::vector<T5xParameter> t5x_parameters(const InputFile& file,
                                         const std::filesystem::path& directory);

}  // namespace switchyard
