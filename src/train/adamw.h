// SPDX-License-Identifier: Apache-2.0
// AdamW (arXiv 1711.05101) over the flat buffers of a model: its two moments, and what a checkpoint
// keeps of it.
#pragma once

#include <cstdint>

#include "src/nn/param.h"

namespace switchyard {

struct AdamWOptions {
  float beta1 = 0.9f;
  float beta2 = 0.98f;
  float eps = 1e-9f;
  float weight_decay = 0;
};

struct AdamWState {
  AdamWState(const Context& ctx, const ParamLayout& layout) : m(ctx, layout), v(ctx, layout) {}

  // One update, the `update`-th (from 1), of `params` by `grads` times `grad_scale`.
  void step(Context& ctx, const AdamWOptions& options, std::int64_t update, double rate,
            float grad_scale, const ParamBuffer& grads, const ParamBuffer& params) {
    adamw(ctx,
          {static_cast<float>(rate), options.beta1, options.beta2, options.eps,
           options.weight_decay, update, grad_scale},
          grads.flat(), m.flat(), v.flat(), params.flat());
  }

  ParamBuffer m, v;  // first and second moment
};

}  // namespace switchyard
