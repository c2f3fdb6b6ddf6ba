// SPDX-License-Identifier: Apache-2.0
#include "src/nn/kv_pool.h"

#include <algorithm>
#include <utility>

namespace switchyard {

namespace {

constexpr std::int64_t kFirstRows = 32 * KvPool::kPageRows;

}  // namespace

KvPool::KvPool(Context& ctx, std::int64_t blocks, std::int64_t inner_dim)
    : ctx_(ctx), inner_dim_(inner_dim), blocks_(static_cast<std::size_t>(blocks)) {}

std::int32_t KvPool::take_page() {
  if (free_.empty()) grow();
  const std::int32_t page = free_.back();
  free_.pop_back();
  return page;
}

void KvPool::give_back(std::vector<std::int32_t>& pages) {
  free_.insert(free_.end(), pages.begin(), pages.end());
  pages.clear();
}

void KvPool::grow() {
  const std::int64_t larger = std::max(kFirstRows, 2 * rows_);
  for (Block& block : blocks_) {
    for (Tensor* rows : {&block.keys, &block.values}) {
      Tensor grown(ctx_, larger, inner_dim_);
      if (rows_ > 0) copy(ctx_, *rows, grown.view().slice_rows(0, rows_));
      *rows = std::move(grown);
    }
  }
  // Low rows are taken first, so the memory of the others stays untouched until needed.
  for (std::int64_t row = larger - kPageRows; row >= rows_; row -= kPageRows)
    free_.push_back(static_cast<std::int32_t>(row));
  rows_ = larger;
}

}  // namespace switchyard
