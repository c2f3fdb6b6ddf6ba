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
  weight.init = {.std = paper_std, .truncated = true, .hf_std = hf_std};
}

View Linear::forward(Context& ctx, Arena& arena, ConstView x) const {
  const View y = arena.make(x.rows, weight.rows, ctx.compute_type);
  linear(ctx, x, weight.weight, y);
  return y;
}

void Linear::backward(Context& ctx, ConstView x, ConstView dy, View dx,
                      const ParamBuffer& grads) const {
  linear_backward_input(ctx, dy, weight.weight, dx);
  linear_backward_weight(ctx, x, weight.weight, dy, grads[weight]);
}

void Linear::backward_add(Context& ctx, ConstView x, ConstView dy, View dx,
                          const ParamBuffer& grads) const {
  linear_backward_input_add(ctx, dy, weight.weight, dx);
  linear_backward_weight(ctx, x, weight.weight, dy, grads[weight]);
}

}  // namespace switchyard
