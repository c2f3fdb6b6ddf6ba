// SPDX-License-Identifier: Apache-2.0
// Keys and values of the decoder's past: self-attention's grow by one row a step, cross-attention's
// are computed once per sentence.
#pragma once

#include <cstdint>
#include <vector>

#include "src/backend/backend.h"

namespace switchyard {

// Cross-attention's keys and values of one block: [source tokens, inner].
struct CrossKeys {
  ConstView k, v;
};

// Self-attention's, all blocks. Row `r` at position `p` lies at row r * capacity + p; the capacity
// doubles when it is used up, the old content moving along.
class KvCache {
 public:
  KvCache(Context& ctx, std::int64_t blocks, std::int64_t inner_dim);

  std::int64_t length() const { return length_; }
  std::int64_t capacity() const { return capacity_; }
  // Makes room for one more position of `rows` rows. Whether the capacity had to grow for it.
  bool make_room(std::int64_t rows);
  // Where there is room: the index views of the next position, in ctx.saved.
  void begin_step(std::int64_t rows);
  void end_step() { ++length_; }
  // Row i becomes what row parent[i] was; parent [n, 1] i32.
  void reorder(ConstView parent);

  // For the current step: all that a block's rows see, and where their own key goes, [rows, 1].
  CachedKeys keys(std::int64_t block) const {
    const Block& b = blocks_[static_cast<std::size_t>(block)];
    return {b.k, b.v, first_key_, key_count_};
  }
  // Where their own keys and values are written.
  View k(std::int64_t block) const { return blocks_[static_cast<std::size_t>(block)].k; }
  View v(std::int64_t block) const { return blocks_[static_cast<std::size_t>(block)].v; }
  ConstView own_row() const { return own_row_; }

 private:
  struct Block {
    Tensor k, v, spare_k, spare_v;
  };
  void resize(std::int64_t rows, std::int64_t capacity);

  Context& ctx_;
  std::int64_t inner_dim_;
  std::int64_t rows_ = 0;
  std::int64_t capacity_ = 0;
  std::int64_t length_ = 0;
  std::vector<Block> blocks_;
  View own_row_, first_key_, key_count_;
};

}  // namespace switchyard
