// SPDX-License-Identifier: Apache-2.0
// Pass: how a forward pass is run, for training or not, and what it records.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "src/backend/backend.h"
#include "src/core/rng.h"

namespace switchyard {

// How many tokens an expert accepts; unlimited by default.
struct CapacityOptions {
  // > 0: an expert accepts at most ceil(tokens * capacity_factor / num_experts) tokens of a batch
  // (the paper, eq. 3); 0: all.
  float capacity_factor = 0;
  // > 0: Hugging Face's expert_capacity, tokens per expert in each sequence. Applies to passes over
  // whole sequences (encoder, scoring), never to a cached decoding step.
  std::int64_t expert_capacity = 0;
};

// The intermediate values that a pass collects, in ctx.saved.
struct Recorder {
  std::vector<ConstView> encoder_hidden_states, decoder_hidden_states;  // [tokens, d_model]
  // [batch * H * max query length, max key length], 0 outside the sequences
  std::vector<ConstView> encoder_attentions, decoder_attentions, cross_attentions;
  std::vector<ConstView> encoder_router_logits, decoder_router_logits;  // [tokens, num_experts]
};

struct Pass {
  bool training = false;  // dropout and jitter on
  // Intermediate values outlive their layer; implied by `training` and `record`.
  bool keep = false;
  // [1, router_statistics_size()] for each sparse layer of the stack, overwritten; may be empty.
  View router_statistics;
  // Activation checkpointing (Chen et al. 2016, arXiv 1604.06174): blocks keep only their input,
  // and backward recomputes them. Bit-identical results in less memory. For training passes only.
  bool recompute = false;
  float dropout_rate = 0;
  std::optional<float> expert_dropout_rate;  // inside experts; default: dropout_rate
  float jitter_noise = 0;
  std::uint64_t seed = 0;
  std::uint64_t step = 0;
  CapacityOptions capacity;
  Recorder* record = nullptr;

  bool keeps() const { return training || keep || record; }

  Dropout dropout(std::uint64_t site) const { return dropout(dropout_rate, site); }
  Dropout expert_dropout(std::uint64_t site) const {
    return dropout(expert_dropout_rate.value_or(dropout_rate), site);
  }
  Dropout dropout(float rate, std::uint64_t site) const {
    if (!training || rate == 0) return {};
    return {rate, stream_key(seed, step, site)};
  }
};

// Releases the memory that a sublayer took from ctx.saved, unless the pass keeps values.
class SublayerScope {
 public:
  SublayerScope(Context& ctx, const Pass& pass) {
    if (!pass.keeps()) scope_.emplace(ctx.saved);
  }

 private:
  std::optional<ArenaScope> scope_;
};

}  // namespace switchyard
