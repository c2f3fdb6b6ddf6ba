// SPDX-License-Identifier: Apache-2.0
// Keys and values of the decoder's blocks, in rows allocated by the page. The free list is on the
// host; a token has the same row in all blocks.
#pragma once

#include <cstdint>
#include <vector>

#include "src/backend/backend.h"

namespace switchyard {

class KvPool {
 public:
  // On average half a page per hypothesis and sentence is unused, so small pages waste little.
  static constexpr std::int32_t kPageRows = 8;

  // Rows have inner_dim elements. Allocates nothing until the first page is taken. ctx must outlive
  // the pool.
  KvPool(Context& ctx, std::int64_t blocks, std::int64_t inner_dim);

  // Returns the first of kPageRows free rows. If none are free, the pool doubles, which invalidates
  // its views. It never shrinks.
  std::int32_t take_page();
  // Frees the pages that start at these rows and clears the list.
  void give_back(std::vector<std::int32_t>& pages);

  std::int64_t rows() const { return rows_; }
  // [rows(), inner_dim]
  View keys(std::int64_t block) const { return blocks_[static_cast<std::size_t>(block)].keys; }
  View values(std::int64_t block) const { return blocks_[static_cast<std::size_t>(block)].values; }

 private:
  struct Block {
    Tensor keys, values;
  };
  void grow();

  Context& ctx_;
  std::int64_t inner_dim_;
  std::int64_t rows_ = 0;
  std::vector<Block> blocks_;
  std::vector<std::int32_t> free_;  // first rows of free pages; the last is taken next
};

}  // namespace switchyard
