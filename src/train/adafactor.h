// SPDX-License-Identifier: Apache-2.0
// Adafactor (arXiv 1804.04235): keeps only the row and column means of a matrix's second moment,
// and no first moment, so it needs hardly any memory. The learning rate comes from the schedule, as
// in fine-tuning T5 (transformers: scale_parameter=False, relative_step=False).
#pragma once

#include "src/train/optimizer.h"

namespace switchyard {

class AdafactorOptimizer : public Optimizer {
 public:
  AdafactorOptimizer(Context& ctx, const OptimizerParams& params);

  void step(Context& ctx, std::size_t share, std::int64_t update, double rate,
            ConstView decision) override;
  std::vector<StateTensor> state() const override;
  static std::int64_t state_size(const Param& param) {
    return (param.vector ? 0 : param.rows) + param.cols;
  }

 private:
  const Model& model_;
  std::vector<bool> frozen_;
  Tensor means_;  // of all parameters, each aligned to 64 bytes
  std::vector<AdafactorParam> params_;
  std::vector<std::shared_ptr<const AdafactorPlan>> plans_;  // by share
};

}  // namespace switchyard
