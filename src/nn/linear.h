// SPDX-License-Identifier: Apache-2.0
// A linear layer without bias: y = x . weight^T.
#pragma once

#include <string>

#include "src/nn/param.h"

namespace switchyard {

struct Linear {
  Param weight;  // [out, in]

  Linear() = default;
  // Initialized with the paper's truncated normal (fan_in = in) or a normal of standard deviation
  // hf_std.
  Linear(std::string name, std::int64_t out, std::int64_t in, float hf_std);

  // x [tokens, in] -> [tokens, out] in `arena`, of compute type.
  View forward(Context& ctx, Arena& arena, ConstView x) const;
  // x [tokens, in], dy [tokens, out], both of compute type. dx [tokens, in] = dy . weight, f32 or
  // bf16; the weight's gradient += dy^T . x.
  void backward(Context& ctx, ConstView x, ConstView dy, View dx, const ParamBuffer& grads) const;
  // The same, except that dx += dy . weight, f32.
  void backward_add(Context& ctx, ConstView x, ConstView dy, View dx,
                    const ParamBuffer& grads) const;

  template <class F>
  void each_param(F&& f) {
    f(weight);
  }
};

}  // namespace switchyard
