// SPDX-License-Identifier: Apache-2.0
#include "src/train/adamw.h"

namespace switchyard {

AdamWOptimizer::AdamWOptimizer(const Context& ctx, const AdamWOptions& options, const Model& model,
                               const ParamBuffer& grads)
    : options_(options), model_(model), m_(ctx, model.layout()), v_(ctx, model.layout()) {
  model.each_param([&](const Param& param) {
    params_.push_back({&param.weight, grads[param], m_[param], v_[param]});
  });
}

void AdamWOptimizer::step(Context& ctx, ParamRange range, std::int64_t update, double rate,
                          float grad_scale) {
  adamw(ctx,
        {static_cast<float>(rate), options_.beta1, options_.beta2, options_.eps,
         options_.weight_decay, update, grad_scale},
        params_.data() + range.first, range.last - range.first);
}

std::vector<StateTensor> AdamWOptimizer::state() const {
  std::vector<StateTensor> state;
  model_.each_param([&](const Param& param) { state.push_back({"m", &param, m_[param]}); });
  model_.each_param([&](const Param& param) { state.push_back({"v", &param, v_[param]}); });
  return state;
}

}  // namespace switchyard
