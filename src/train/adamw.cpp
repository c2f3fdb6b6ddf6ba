// SPDX-License-Identifier: Apache-2.0
#include "src/train/adamw.h"

namespace switchyard {

AdamWOptimizer::AdamWOptimizer(Context& ctx, const AdamWOptions& options,
                               const OptimizerParams& params)
    : options_(options),
      model_(params.model),
      frozen_(params.frozen),
      m_(ctx, params.model.layout()),
      v_(ctx, params.model.layout()) {
  for (const ParamRange& share : params.shares) {
    std::vector<AdamWParam> list;
    std::int64_t first = 0, last = 0;  // the run of elements not yet in the list
    const auto end_run = [&] {
      const auto of = [&](const ParamBuffer& buffer) {
        return buffer.flat().slice_cols(first, last - first);
      };
      if (first < last) list.push_back({of(params.values), of(params.grads), of(m_), of(v_)});
    };
    // Adjacent parameters are merged, unless they have packed forms.
    model_.each_param([&](const Param& param) {
      if (param.index < share.first || param.index >= share.last) return;
      if (is_frozen(frozen_, param)) return;
      const std::int64_t offset = m_.layout().offset[static_cast<std::size_t>(param.index)];
      const bool packed = param.weight.packed != nullptr;
      if (packed || offset != last) {
        end_run();
        first = offset;
      }
      last = offset + param.size();
      if (!packed) return;
      list.push_back(
          {params.values[param], params.grads[param], m_[param], v_[param], &param.weight});
      first = last;
    });
    end_run();
    plans_.push_back(plan_adamw(ctx, list));
  }
}

void AdamWOptimizer::step(Context& ctx, std::size_t share, std::int64_t update, double rate,
                          ConstView decision) {
  adamw(ctx,
        {static_cast<float>(rate), options_.beta1, options_.beta2, options_.eps,
         options_.weight_decay, update},
        *plans_[share], decision);
}

std::vector<StateTensor> AdamWOptimizer::state() const {
  std::vector<StateTensor> state;
  const auto add = [&](const char* name, const ParamBuffer& moments) {
    model_.each_param([&](const Param& param) {
      if (!is_frozen(frozen_, param)) state.push_back({name, &param, moments[param]});
    });
  };
  add("m", m_);
  add("v", v_);
  return state;
}

}  // namespace switchyard
