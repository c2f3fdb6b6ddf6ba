// SPDX-License-Identifier: Apache-2.0
#include "src/nn/kv_pool.h"

#include <algorithm>
#include <utility>

namespace switchyard {

namespace {

// Enough for a default batch of ordinary sentences. Growing copies every row and briefly needs both
// copies.
constexpr std::int64_t kFirstRows = 2048;

// A step reads all keys and values, which soon do not fit in a cache.
DType stored_type(const Context& ctx) {
  return ctx.weight_type == DType::i8 ? DType::bf16 : ctx.compute_type;
}

}  // namespace

KvPool::KvPool(Context& ctx, std::int64_t blocks, std::int64_t inner_dim)
    : ctx_(ctx), blocks_(blocks), inner_dim_(inner_dim) {}

std::int32_t KvPool::take() {
  if (free_.empty()) grow();
  const std::int32_t row = free_.back();
  free_.pop_back();
  return row;
}

void KvPool::grow() {
  const std::int64_t larger = std::max(kFirstRows, 2 * rows_);
  Tensor grown(ctx_, larger, 2 * blocks_ * inner_dim_, stored_type(ctx_));
  if (rows_ > 0) copy(ctx_, all_, grown.view().slice_rows(0, rows_));
  all_ = std::move(grown);
  // Low rows are taken first, so the memory of the others stays untouched until needed.
  for (std::int64_t row = larger; row-- > rows_;) free_.push_back(static_cast<std::int32_t>(row));
  rows_ = larger;
}

}  // namespace switchyard
