// SPDX-License-Identifier: Apache-2.0
// Opens arrays in the zarr format, version 2, as TensorStore's driver "zarr" writes them: a
// directory with a description, .zarray, and a file per chunk. Format:
// https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html; bfloat16 is TensorStore's.
#pragma once

#include <filesystem>

#include "src/io/chunked_array.h"

namespace switchyard {

// Opens an array of 1 to 3 dimensions whose elements are float32, float16 or bfloat16, and
// checks that every chunk exists: zarr takes missing chunks for constants, but here they are a sign
// of an incomplete copy. Error(kData) naming the file, what was found and what was expected.
ChunkedArray open_zarr(const std::filesystem::path& directory);

// The dtype that numpy or zarr calls by this name, as in StoredTensor::dtype, and the size of its
// elements. Error(kData) naming any other.
struct ElementType {
  std::string_view dtype;
  std::size_t bytes;
};
ElementType element_type(std::string_view name);

}  // namespace switchyard
