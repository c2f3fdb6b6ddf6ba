// SPDX-License-Identifier: Apache-2.0
#include "src/train/optimizer.h"

#include "src/train/adafactor.h"
#include "src/train/adamw.h"

namespace switchyard {

std::unique_ptr<Optimizer> make_optimizer(Context& ctx, OptimizerKind kind,
                                          const AdamWOptions& adamw,
                                          const OptimizerParams& params) {
  if (kind == OptimizerKind::adafactor) return std::make_unique<AdafactorOptimizer>(ctx, params);
  return std::make_unique<AdamWOptimizer>(ctx, adamw, params);
}

std::int64_t optimizer_state_size(OptimizerKind kind, const Param& param) {
  return kind == OptimizerKind::adafactor ? AdafactorOptimizer::state_size(param)
                                          : AdamWOptimizer::state_size(param);
}

}  // namespace switchyard
