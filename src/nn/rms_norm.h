// SPDX-License-Identifier: Apache-2.0
// RMS norm (arXiv 1910.07467) as in T5: y = weight * x / sqrt(mean(x^2) + eps); no mean, no bias.
#pragma once

#include <string>

#include "src/nn/param.h"

namespace switchyard {

struct RmsNorm {
  Param weight;  // [d_model]
  float epsilon = 1e-6f;

  struct Saved {
    ConstView x;   // [tokens, d_model]
    View inv_rms;  // [tokens, 1]; recompute() rewrites the same values
  };

  RmsNorm() = default;
  RmsNorm(std::string name, std::int64_t d_model, float epsilon);

  // x [tokens, d_model] f32 -> the same shape in `arena`, of compute type. x must not change until
  // backward.
  View forward(Context& ctx, Arena& arena, ConstView x, Saved& s) const;
  // Recomputes the output, in ctx.scratch: cheaper than storing it.
  View recompute(Context& ctx, const Saved& s) const;
  // dy [tokens, d_model] f32; dx [tokens, d_model] f32 += the gradient with respect to x.
  void backward(Context& ctx, ConstView dy, const Saved& s, View dx,
                const ParamBuffer& grads) const;

  template <class F>
  void each_param(F&& f) {
    f(weight);
  }
};

}  // namespace switchyard
