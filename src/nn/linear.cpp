// SPDX-License-Identifier: Apache-2.0
#include "src/nn/linear.h"

#include <cmath>
#include <utility>

namespace switchyard {

Linear::Linear(std::string name, std::int64_t out, std::int64_t in, float hf_std) {
  weight.name = std::move(name);
  weight.rows = out;
  weight.cols = in;
  const float paper_std = std::sqrt(0.1f / static_cast<float>(in));
  weight.init = {0, paper_std, true, hf_std};
}

View Linear::forward(Context& ctx, Arena& arena, View x) const {
  const View y = arena.make(x.rows, weight.rows, ctx.compute_type);
  linear(ctx, x, weight.weight, y);
  return y;
}

void Linear::backward(Context& ctx, View x, View dy, View dx, bool add_to_dx,
                      const ParamBuffer& grads) const {
  linear_backward(ctx, x, weight.weight, dy, dx, add_to_dx, grads[weight]);
}

}  // namespace switchyard
