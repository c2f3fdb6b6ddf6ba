// SPDX-License-Identifier: Apache-2.0
#include "src/io/chunked_array.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace switchyard {

namespace {

// Rows that are transposed together: one row alone would write single elements far apart.
constexpr std::int64_t kRows = 16;

// Where the rows of one chunk go.
class Placement {
 public:
  Placement(const ChunkedArray& array, bool transposed, std::span<std::byte> to)
      : element_(array.element_bytes),
        rows_(static_cast<std::size_t>(array.extents()[1])),
        cols_(static_cast<std::size_t>(array.extents()[2])),
        transposed_(transposed),
        to_(to) {}

  // `block` holds rows of `pitch` elements, of which the first `cols` are columns from `col` on.
  // `slab` counts from the first slab in `to`.
  void put(std::span<const std::byte> block, std::size_t pitch, std::size_t slab, std::size_t row,
           std::size_t rows, std::size_t col, std::size_t cols) {
    std::byte* matrix = to_.data() + slab * rows_ * cols_ * element_;
    if (!transposed_) {
      for (std::size_t r = 0; r < rows; ++r)
        std::memcpy(matrix + ((row + r) * cols_ + col) * element_,
                    block.data() + r * pitch * element_, cols * element_);
      return;
    }
    if (element_ == 4) return put_transposed<4>(block.data(), pitch, matrix, row, rows, col, cols);
    assert(element_ == 2);
    put_transposed<2>(block.data(), pitch, matrix, row, rows, col, cols);
  }

 private:
  template <std::size_t kBytes>
  void put_transposed(const std::byte* block, std::size_t pitch, std::byte* matrix, std::size_t row,
                      std::size_t rows, std::size_t col, std::size_t cols) const {
    for (std::size_t c = 0; c < cols; ++c) {
      std::byte* out = matrix + ((col + c) * rows_ + row) * kBytes;
      for (std::size_t r = 0; r < rows; ++r)
        std::memcpy(out + r * kBytes, block + (r * pitch + c) * kBytes, kBytes);
    }
  }

  std::size_t element_;
  std::size_t rows_, cols_;
  bool transposed_;
  std::span<std::byte> to_;
};

// Reads one chunk up to the last slab that is wanted, and to its end if that is the chunk's last.
void read_chunk(const ChunkedArray& array, const ChunkedArray::ChunkIndex& index,
                std::int64_t first, std::int64_t count, Placement& placement,
                std::vector<std::byte>& block) {
  const auto extents = array.extents();
  const auto chunk = array.chunk_extents();
  const std::int64_t row = index[1] * chunk[1];
  const std::int64_t col = index[2] * chunk[2];
  const auto pitch = static_cast<std::size_t>(chunk[2]);
  const std::int64_t cols = std::min(chunk[2], extents[2] - col);
  const auto stream = array.open(index);
  for (std::int64_t s = 0; s < chunk[0]; ++s) {
    const std::int64_t slab = index[0] * chunk[0] + s;
    if (slab >= first + count && slab < extents[0]) return;
    for (std::int64_t r = 0; r < chunk[1]; r += kRows) {
      const std::int64_t read = std::min(kRows, chunk[1] - r);
      block.resize(static_cast<std::size_t>(read) * pitch * array.element_bytes);
      stream->read(block);
      const std::int64_t rows = std::min(read, extents[1] - row - r);
      if (slab < first || slab >= first + count || rows <= 0) continue;
      placement.put(block, pitch, static_cast<std::size_t>(slab - first),
                    static_cast<std::size_t>(row + r), static_cast<std::size_t>(rows),
                    static_cast<std::size_t>(col), static_cast<std::size_t>(cols));
    }
  }
  stream->finish();
}

}  // namespace

std::array<std::int64_t, 3> ChunkedArray::padded(const std::vector<std::int64_t>& of) {
  assert(of.size() <= 3);
  std::array<std::int64_t, 3> result = {1, 1, 1};
  std::copy(of.begin(), of.end(), result.end() - static_cast<std::ptrdiff_t>(of.size()));
  return result;
}

std::size_t ChunkedArray::slab_bytes() const {
  const auto all = extents();
  return static_cast<std::size_t>(all[1]) * static_cast<std::size_t>(all[2]) * element_bytes;
}

void read_slabs(const ChunkedArray& array, std::int64_t first, std::int64_t count, bool transposed,
                std::span<std::byte> to) {
  assert(to.size() == static_cast<std::size_t>(count) * array.slab_bytes());
  const auto extents = array.extents();
  const auto chunk = array.chunk_extents();
  Placement placement(array, transposed, to);
  std::vector<std::byte> block;
  for (std::int64_t s = first / chunk[0]; s * chunk[0] < first + count; ++s)
    for (std::int64_t r = 0; r * chunk[1] < extents[1]; ++r)
      for (std::int64_t c = 0; c * chunk[2] < extents[2]; ++c)
        read_chunk(array, {s, r, c}, first, count, placement, block);
}

}  // namespace switchyard
