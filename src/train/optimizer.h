// SPDX-License-Identifier: Apache-2.0
// What updates a model's parameters, and what it remembers from one update to the next.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "src/nn/model.h"

namespace switchyard {

// Parameters [first, last) of a model's list.
struct ParamRange {
  std::int64_t first = 0, last = 0;
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // The `update`-th update (from 1) of the parameters of one share, if and as `decision` says
  // (decide_update()); sets their gradient to 0. Threads may update several shares at a time.
  virtual void step(Context& ctx, std::size_t share, std::int64_t update, double rate,
                    ConstView decision) = 0;

  // All that it remembers: what a checkpoint keeps of it.
  virtual std::vector<StateTensor> state() const = 0;
};

enum class OptimizerKind { adamw, adafactor };

struct AdamWOptions {
  float beta1 = 0.9f;
  float beta2 = 0.98f;
  float eps = 1e-9f;
  float weight_decay = 0;
};

// What is updated: the values of `model`, which is bound to them and, for bfloat16, prepared; by
// the gradients of the same layout; in disjoint shares. All of them must outlive the optimizer.
struct OptimizerParams {
  const Model& model;
  const ParamBuffer& values;
  const ParamBuffer& grads;
  std::vector<ParamRange> shares;
};
std::unique_ptr<Optimizer> make_optimizer(Context& ctx, OptimizerKind kind,
                                          const AdamWOptions& adamw, const OptimizerParams& params);

// How many numbers it remembers of a parameter.
std::int64_t optimizer_state_size(OptimizerKind kind, const Param& param);

// "adamw" or "adafactor"; Error(kUsage) naming any other.
OptimizerKind optimizer_from_name(const std::string& name);

}  // namespace switchyard
