// SPDX-License-Identifier: Apache-2.0
// T5's relative position bias (arXiv 1910.10683, 2.1): one table [num_buckets, heads] per stack,
// shared by the self-attention of all its blocks.
#pragma once

#include <cstdint>
#include <string>

#include "src/nn/param.h"

namespace switchyard {

// The bucket of key position - query position. Follows _relative_position_bucket of Hugging Face's
// modeling_t5.py, computed in f32 as there.
std::int64_t relative_position_bucket(std::int64_t relative_position, bool bidirectional,
                                      std::int64_t num_buckets, std::int64_t max_distance);

struct RelativeBias {
  Param table;  // [num_buckets, num_heads]
  bool bidirectional = true;
  std::int64_t max_distance = 128;

  // The bias for every distance within sequences of max_len tokens.
  struct Expanded {
    ConstView bucket{};  // [1, 2 * center + 1] i32, for backward
    ConstView bias{};    // [num_heads, 2 * center + 1]
    std::int64_t center = 0;
  };

  RelativeBias() = default;
  RelativeBias(std::string name, bool bidirectional, std::int64_t num_buckets,
               std::int64_t max_distance, std::int64_t num_heads, float hf_std);

  // For sequences of up to max_len tokens, in ctx.saved.
  Expanded forward(Context& ctx, std::int64_t max_len) const;
  // grad_bias [num_heads, 2 * center + 1]; adds to the table's gradient.
  void backward(Context& ctx, ConstView grad_bias, const Expanded& s,
                const ParamBuffer& grads) const;

  template <class F>
  void each_param(F&& f) {
    f(table);
  }
};

}  // namespace switchyard
