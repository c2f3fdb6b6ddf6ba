// SPDX-License-Identifier: Apache-2.0
// Keys and values of the decoder's blocks, in rows that are handed out by the page. The host keeps
// the free list; all blocks use the same rows.
#pragma once

#include <cstdint>
#include <vector>

#include "src/backend/backend.h"

namespace switchyard {

class KvPool {
 public:
  // On average half a page per hypothesis and sentence is unused, so small pages waste little.
  static constexpr std::int32_t kPageRows = 8;

  // Rows are [inner_dim]. No memory is taken before the first page is. ctx must outlive this.
  KvPool(Context& ctx, std::int64_t blocks, std::int64_t inner_dim);

  // The first of kPageRows free rows. The pool doubles when there are none, which invalidates the
  // views, and never shrinks.
  std::int32_t take_page();
  // Frees the pages with these first rows, and clears the list.
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
  std::vector<std::int32_t> free_;  // first rows; the next to be taken is the last
};

}  // namespace switchyard
