// SPDX-License-Identifier: Apache-2.0
#include "src/nn/kv_cache.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace switchyard {

namespace {

constexpr std::int64_t kFirstCapacity = 16;

}  // namespace

KvCache::KvCache(Context& ctx, std::int64_t blocks, std::int64_t inner_dim)
    : ctx_(ctx), inner_dim_(inner_dim), blocks_(static_cast<std::size_t>(blocks)) {}

bool KvCache::make_room(std::int64_t rows) {
  if (length_ < capacity_) return false;
  resize(rows, std::max(kFirstCapacity, 2 * capacity_));
  return true;
}

void KvCache::begin_step(std::int64_t rows) {
  assert(length_ < capacity_);
  std::vector<std::int32_t> own_row, first_key;
  for (std::int64_t r = 0; r < rows; ++r) {
    own_row.push_back(static_cast<std::int32_t>(r * capacity_ + length_));
    first_key.push_back(static_cast<std::int32_t>(r * capacity_));
  }
  const std::vector<std::int32_t> key_count(static_cast<std::size_t>(rows),
                                            static_cast<std::int32_t>(length_ + 1));
  own_row_ = ctx_.saved.make(rows, 1, DType::i32);
  first_key_ = ctx_.saved.make(rows, 1, DType::i32);
  key_count_ = ctx_.saved.make(rows, 1, DType::i32);
  upload(ctx_, own_row.data(), rows, own_row_);
  upload(ctx_, first_key.data(), rows, first_key_);
  upload(ctx_, key_count.data(), rows, key_count_);
}

void KvCache::reorder(ConstView parent) {
  for (Block& block : blocks_) {
    for (auto [now, spare] : {std::pair{&block.k, &block.spare_k}, {&block.v, &block.spare_v}}) {
      if (spare->view().rows < parent.rows * capacity_)
        *spare = Tensor(ctx_, parent.rows * capacity_, inner_dim_);
      copy_blocks(ctx_, *now, parent, capacity_, length_, *spare);
      std::swap(*now, *spare);
    }
  }
  rows_ = parent.rows;
}

// The rows in use keep their content.
void KvCache::resize(std::int64_t rows, std::int64_t capacity) {
  std::vector<std::int32_t> moved;  // old row -> new row
  for (std::int64_t r = 0; r < rows_; ++r)
    for (std::int64_t p = 0; p < capacity_; ++p)
      moved.push_back(static_cast<std::int32_t>(r * capacity + p));
  const auto count = static_cast<std::int64_t>(moved.size());
  const ArenaScope scope(ctx_.scratch);
  const View index = ctx_.scratch.make(count, 1, DType::i32);
  if (count > 0) upload(ctx_, moved.data(), count, index);
  for (Block& block : blocks_) {
    for (Tensor* now : {&block.k, &block.v}) {
      Tensor larger(ctx_, rows * capacity, inner_dim_);
      if (count > 0) scatter_rows(ctx_, now->view().slice_rows(0, count), index, larger);
      *now = std::move(larger);
    }
    block.spare_k = Tensor();
    block.spare_v = Tensor();
  }
  rows_ = rows;
  capacity_ = capacity;
}

}  // namespace switchyard
