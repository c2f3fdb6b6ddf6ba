// SPDX-License-Identifier: Apache-2.0
// AdamW (arXiv 1711.05101): keeps two moments per parameter.
#pragma once

#include "src/train/optimizer.h"

namespace switchyard {

class AdamWOptimizer : public Optimizer {
 public:
  AdamWOptimizer(Context& ctx, const AdamWOptions& options, const OptimizerParams& params);

  void step(Context& ctx, std::size_t share, std::int64_t update, double rate,
            ConstView decision) override;
  std::vector<StateTensor> state() const override;
  static std::int64_t state_size(const Param& param) { return 2 * param.size(); }

 private:
  AdamWOptions options_;
  const Model& model_;
  std::vector<bool> frozen_;
  ParamBuffer m_, v_;
  std::vector<std::shared_ptr<const AdamWPlan>> plans_;  // by share
};

}  // namespace switchyard
