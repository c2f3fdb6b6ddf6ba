// SPDX-License-Identifier: Apache-2.0
// Log-probabilities of given targets, token by token (teacher forcing): what a model thinks of a
// translation that it did not make. The training loss (nn/loss) is their sum alone.
#pragma once

#include <vector>

#include "src/nn/batch.h"
#include "src/nn/model.h"
#include "src/nn/pass.h"

namespace switchyard {

// For each target of the batch, returns the natural log-probability of each of its ids given the
// source and the ids before it: log_softmax of the logits over the whole vocabulary, as in
// transformers. Uses and releases ctx.saved and ctx.scratch; logits exist for a few hundred tokens
// at a time. `capacity` holds in both stacks. Error(kData) if an id is not the model's or a
// log-probability is not finite.
std::vector<std::vector<float>> target_log_probs(Context& ctx, const Model& model,
                                                 const HostBatch& batch,
                                                 const CapacityOptions& capacity);

}  // namespace switchyard
