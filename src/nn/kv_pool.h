// SPDX-License-Identifier: Apache-2.0
// Keys and values of the decoder's blocks. A token has one row, with the keys and values of all
// blocks side by side: one allocation, whose untouched rows use no memory. The free list is on the
// host.
#pragma once

#include <cstdint>
#include <vector>

#include "src/backend/backend.h"

namespace switchyard {

class KvPool {
 public:
  // Rows are of compute type, or bfloat16 where weights are int8. inner_dim: elements of a token's
  // keys in one block. Allocates nothing until the first row is taken. ctx must outlive the pool.
  KvPool(Context& ctx, std::int64_t blocks, std::int64_t inner_dim);

  // Returns a free row. If none is free, the pool doubles, which invalidates its views. It never
  // shrinks.
  std::int32_t take();
  // row: from take(), not yet given back.
  void give_back(std::int32_t row) { free_.push_back(row); }

  std::int64_t rows() const { return rows_; }
  std::int64_t free_rows() const { return static_cast<std::int64_t>(free_.size()); }
  // [rows(), inner_dim]
  View keys(std::int64_t block) const { return part(2 * block); }
  View values(std::int64_t block) const { return part(2 * block + 1); }

 private:
  View part(std::int64_t i) const { return all_.view().slice_cols(i * inner_dim_, inner_dim_); }
  void grow();

  Context& ctx_;
  std::int64_t blocks_, inner_dim_;
  std::int64_t rows_ = 0;
  Tensor all_;                      // [rows_, blocks_ * 2 * inner_dim_]
  std::vector<std::int32_t> free_;  // the last is taken next
};

}  // namespace switchyard
