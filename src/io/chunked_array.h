// SPDX-License-Identifier: Apache-2.0
// An array of up to three dimensions that is stored as a grid of chunks, and a way to read matrices
// out of it without holding the whole array, or even a chunk, in memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "src/io/byte_stream.h"

namespace switchyard {

struct ChunkedArray {
  // The position of a chunk in the grid; the first elements are 0 if there are fewer dimensions.
  using ChunkIndex = std::array<std::int64_t, 3>;

  std::string_view dtype;  // as StoredTensor::dtype
  std::size_t element_bytes = 0;
  std::vector<std::int64_t> shape;   // 1 to 3 extents
  std::vector<std::int64_t> chunks;  // of a chunk, each 1 to the array's
  // The elements of a chunk in row-major order. A chunk at the end of a dimension has its full
  // extent; what is beyond the array's is not used.
  std::function<std::unique_ptr<ByteStream>(const ChunkIndex&)> open;
  std::vector<std::filesystem::path> files;

  // Seen as matrices: [slabs, rows, cols], where missing dimensions are 1.
  std::array<std::int64_t, 3> extents() const { return padded(shape); }
  std::array<std::int64_t, 3> chunk_extents() const { return padded(chunks); }
  std::size_t slab_bytes() const;

 private:
  static std::array<std::int64_t, 3> padded(const std::vector<std::int64_t>& of);
};

// Fills `to` with slabs [first, first + count), each a matrix [rows, cols] or, if `transposed`,
// [cols, rows]. Every chunk that holds a part of them is decompressed once. Throws what the streams
// throw.
void read_slabs(const ChunkedArray& array, std::int64_t first, std::int64_t count, bool transposed,
                std::span<std::byte> to);

}  // namespace switchyard
