// SPDX-License-Identifier: Apache-2.0
// y = x . weight^T, no bias.
#pragma once

#include <string>

#include "src/nn/param.h"

namespace switchyard {

struct Linear {
  Param weight;  // [out, in]

  Linear() = default;
  // A new one starts with the paper's truncated normal of fan_in = in, or with Init::hf_std.
  Linear(std::string name, std::int64_t out, std::int64_t in, float hf_std);

  // x [tokens, in] -> [tokens, out] in `arena`, of compute type.
  View forward(Context& ctx, Arena& arena, View x) const;
  // dx (+)= dy . weight, the weight's gradient += dy^T . x. An empty dx is not computed; one that
  // is added to is f32.
  void backward(Context& ctx, View x, View dy, View dx, bool add_to_dx,
                const ParamBuffer& grads) const;

  template <class F>
  void each_param(F&& f) {
    f(weight);
  }
};

}  // namespace switchyard
