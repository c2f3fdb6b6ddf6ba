// SPDX-License-Identifier: Apache-2.0
// AdamW (arXiv 1711.05101): two moments of the size of the parameters.
#pragma once

#include "src/train/optimizer.h"

namespace switchyard {

class AdamWOptimizer : public Optimizer {
 public:
  AdamWOptimizer(const Context& ctx, const AdamWOptions& options, const Model& model,
                 const ParamBuffer& grads);

  void step(Context& ctx, ParamRange range, std::int64_t update, double rate,
            float grad_scale) override;
  std::vector<StateTensor> state() const override;

 private:
  AdamWOptions options_;
  const Model& model_;
  ParamBuffer m_, v_;
  std::vector<AdamWParam> params_;
};

}  // namespace switchyard
