// SPDX-License-Identifier: Apache-2.0
#include "src/train/adafactor.h"

#include "src/core/round.h"

namespace switchyard {

namespace {

std::int64_t rounded(std::int64_t n) {
  return round_up<std::int64_t>(n, kAlignment / sizeof(float));
}

}  // namespace

AdafactorOptimizer::AdafactorOptimizer(Context& ctx, const OptimizerParams& params)
    : model_(params.model), frozen_(params.frozen) {
  std::int64_t total = 0;
  model_.each_param([&](const Param& param) {
    total += (param.vector ? 0 : rounded(param.rows)) + rounded(param.cols);
  });
  means_ = Tensor(ctx, 1, total);
  std::int64_t offset = 0;
  const auto take = [&](std::int64_t n) {
    const View view = means_.view().slice_cols(offset, n);
    offset += rounded(n);
    return view;
  };
  model_.each_param([&](const Param& param) {
    const View row = param.vector ? View{} : take(param.rows);
    params_.push_back({&param.weight, params.grads[param], row, take(param.cols)});
  });
  for (const ParamRange& share : params.shares) {
    std::vector<AdafactorParam> updated;
    model_.each_param([&](const Param& param) {
      if (param.index >= share.first && param.index < share.last && !is_frozen(frozen_, param))
        updated.push_back(params_[static_cast<std::size_t>(param.index)]);
    });
    plans_.push_back(plan_adafactor(ctx, updated));
  }
}

void AdafactorOptimizer::step(Context& ctx, std::size_t share, std::int64_t update, double rate,
                              ConstView decision) {
  Adafactor options;
  options.lr = static_cast<float>(rate);
  options.step = update;
  adafactor(ctx, options, *plans_[share], decision);
}

std::vector<StateTensor> AdafactorOptimizer::state() const {
  std::vector<StateTensor> state;
  model_.each_param([&](const Param& param) {
    if (is_frozen(frozen_, param)) return;
    const AdafactorParam& own = params_[static_cast<std::size_t>(param.index)];
    if (own.row) state.push_back({"row", &param, own.row});
    state.push_back({"col", &param, own.col});
  });
  return state;
}

}  // namespace switchyard
