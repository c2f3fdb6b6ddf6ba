// SPDX-License-Identifier: Apache-2.0
#include "src/nn/rms_norm.h"

#include <utility>

namespace switchyard {

RmsNorm::RmsNorm(std::string name, std::int64_t d_model, float eps) : epsilon(eps) {
  weight.name = std::move(name);
  weight.rows = 1;
  weight.cols = d_model;
  weight.vector = true;
  weight.init = {.constant = 1};
}

View RmsNorm::forward(Context& ctx, Arena& arena, ConstView x, Saved& s) const {
  s.x = x;
  s.inv_rms = ctx.saved.make(x.rows, 1);
  const View y = arena.make(x.rows, x.cols, ctx.compute_type);
  rms_norm(ctx, x, weight.weight.value, epsilon, y, s.inv_rms);
  return y;
}

View RmsNorm::recompute(Context& ctx, const Saved& s) const {
  const View y = ctx.scratch.make(s.x.rows, s.x.cols, ctx.compute_type);
  rms_norm(ctx, s.x, weight.weight.value, epsilon, y, s.inv_rms);
  return y;
}

void RmsNorm::backward(Context& ctx, ConstView dy, const Saved& s, View dx,
                       const ParamBuffer& grads) const {
  rms_norm_backward(ctx, {s.x, weight.weight.value, s.inv_rms}, dy, dx, grads[weight]);
}

}  // namespace switchyard
