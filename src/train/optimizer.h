// SPDX-License-Identifier: Apache-2.0
// Optimizers update a model's parameters and keep state from one update to the next.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "src/nn/model.h"

namespace switchyard {

// Parameters [first, last) in the order of Model::each_param.
struct ParamRange {
  std::int64_t first = 0, last = 0;
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // Applies update number `update` (from 1) to the parameters of one share, as `decision` says
  // (decide_update()), and sets their gradients to 0. Threads may update different shares at the
  // same time.
  virtual void step(Context& ctx, std::size_t share, std::int64_t update, double rate,
                    ConstView decision) = 0;

  // The optimizer's state, to be saved in a checkpoint; that of frozen parameters is always 0 and
  // left out.
  virtual std::vector<StateTensor> state() const = 0;
};

enum class OptimizerKind { adamw, adafactor };

struct AdamWOptions {
  float beta1 = 0.9f;
  float beta2 = 0.98f;
  float eps = 1e-9f;
  float weight_decay = 0;
};

// The parameters to update, in disjoint shares. Gradients of frozen ones must be 0. `model` is
// bound to `values` and, for bfloat16, prepared; all buffers have its layout. Everything must
// outlive the optimizer.
struct OptimizerParams {
  const Model& model;
  const ParamBuffer& values;
  const ParamBuffer& grads;
  std::vector<ParamRange> shares;
  std::vector<bool> frozen = {};  // by Param::index: not updated; empty: none
};
inline bool is_frozen(const std::vector<bool>& frozen, const Param& param) {
  return !frozen.empty() && frozen[static_cast<std::size_t>(param.index)];
}
std::unique_ptr<Optimizer> make_optimizer(Context& ctx, OptimizerKind kind,
                                          const AdamWOptions& adamw, const OptimizerParams& params);

// Number of state elements per parameter tensor.
std::int64_t optimizer_state_size(OptimizerKind kind, const Param& param);

}  // namespace switchyard
