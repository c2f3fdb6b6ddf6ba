// SPDX-License-Identifier: Apache-2.0
// AdamW (arXiv 1711.05101) over the flat buffers of a model: its two moments, and what a checkpoint
// keeps of it.
#pragma once

#include <cstdint>
#include <vector>

#include "src/nn/model.h"

namespace switchyard {

struct AdamWOptions {
  float beta1 = 0.9f;
  float beta2 = 0.98f;
  float eps = 1e-9f;
  float weight_decay = 0;
};

class AdamWState {
 public:
  // Updates the model's values, to which it is bound, from `grads`; both must outlive this.
  AdamWState(const Context& ctx, const Model& model, const ParamBuffer& grads)
      : m(ctx, model.layout()), v(ctx, model.layout()) {
    model.each_param([&](const Param& param) {
      params_.push_back({&param.weight, grads[param], m[param], v[param]});
    });
  }

  // The `update`-th update (from 1), by the gradient times `grad_scale`; the gradient is 0 then.
  void step(Context& ctx, const AdamWOptions& options, std::int64_t update, double rate,
            float grad_scale) {
    adamw(ctx,
          {static_cast<float>(rate), options.beta1, options.beta2, options.eps,
           options.weight_decay, update, grad_scale},
          params_.data(), static_cast<std::int64_t>(params_.size()));
  }

  ParamBuffer m, v;  // first and second moment

 private:
  std::vector<AdamWParam> params_;
};

}  // namespace switchyard
