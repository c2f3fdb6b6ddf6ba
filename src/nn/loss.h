// SPDX-License-Identifier: Apache-2.0
// The training loss of one batch: label-smoothed cross-entropy plus the router losses of every
// sparse layer (the paper's: per layer over the real tokens, summed over layers), forward and
// backward.
#pragma once

#include <cstdint>
#include <vector>

#include "src/nn/batch.h"
#include "src/nn/model.h"
#include "src/nn/phase.h"

namespace switchyard {

struct LossOptions {
  float label_smoothing = 0;
  float router_aux_loss_coef = 0;
  float router_z_loss_coef = 0;
  // The gradient is that of ce_scale * sum of token losses + router_scale * router losses. For a
  // plain mean, ce_scale = 1 / target tokens and router_scale = 1; with gradient accumulation,
  // ce_scale = 1 / target tokens of all batches and router_scale = 1 / batches.
  float ce_scale = 1;
  float router_scale = 1;
};

struct LossResult {
  double loss_sum = 0;  // over target tokens, label smoothing included
  double nll_sum = 0;   // without it
  std::int64_t target_tokens = 0;
  // Per sparse layer, encoder first.
  std::vector<float> router_aux_loss, router_z_loss;
  std::vector<std::vector<std::int32_t>> expert_count;  // tokens that chose each expert
  std::vector<std::int64_t> dropped;                    // tokens over capacity
  PhaseSeconds seconds{};
};

// The number of columns of a batch's statistics, which stay on the backend until downloaded:
// loss_sum, nll_sum, and the router_statistics() of each sparse layer, encoder first.
std::int64_t loss_statistics_size(const ModelConfig& config);

struct LossOutputs {
  const ParamBuffer* grads = nullptr;  // the gradient is added to it; null: forward only
  View statistics;                     // [1, loss_statistics_size()] f32, overwritten
  PhaseSeconds* seconds = nullptr;     // the time of each phase is added to it; may be null
};

// Forward and backward pass over one batch. Uses and releases ctx.saved and ctx.scratch. Downloads
// nothing.
void forward_backward(Context& ctx, const Model& model, const HostBatch& batch, const Pass& pass,
                      const LossOptions& options, const LossOutputs& out);
// Reads downloaded statistics; leaves target_tokens and seconds at 0.
LossResult read_statistics(const ModelConfig& config, const float* statistics);

// Runs forward_backward() and downloads its statistics. Adds the gradient to `grads` unless it is
// null.
LossResult compute_loss(Context& ctx, const Model& model, const HostBatch& batch, const Pass& pass,
                        const LossOptions& options, const ParamBuffer* grads);

}  // namespace switchyard
