// SPDX-License-Identifier: Apache-2.0
// Adafactor (arXiv 1804.04235): of a matrix's second moment only the means of its rows and columns
// are kept, and no first moment, so that it needs next to no memory. With the schedule's learning
// rate, as T5 is fine-tuned with it (transformers: scale_parameter=False, relative_step=False).
#pragma once

#include "src/train/optimizer.h"

namespace switchyard {

class AdafactorOptimizer : public Optimizer {
 public:
  AdafactorOptimizer(const Context& ctx, const Model& model, const ParamBuffer& grads);

  void step(Context& ctx, ParamRange range, std::int64_t update, double rate,
            float grad_scale) override;
  std::vector<StateTensor> state() const override;

 private:
  const Model& model_;
  Tensor means_;  // of all parameters, each row and col on 64 bytes
  std::vector<AdafactorParam> params_;
};

}  // namespace switchyard
