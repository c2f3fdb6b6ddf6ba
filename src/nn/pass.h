// SPDX-License-Identifier: Apache-2.0
// Pass: how one forward pass is run, training or not, and what is recorded of it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "src/backend/backend.h"
#include "src/core/rng.h"

namespace switchyard {

// Which tokens an expert may refuse: none, unless asked otherwise.
struct CapacityOptions {
  // > 0: an expert takes at most ceil(tokens * capacity_factor / num_experts) of a batch (the
  // paper, eq. 3); 0: every token.
  float capacity_factor = 0;
  // > 0: Hugging Face's expert_capacity, tokens per expert in each sequence; binds in
  // whole-sequence passes (encoder, scoring), never in a cached decoding step.
  std::int64_t expert_capacity = 0;
};

// Copies of intermediate values, made where a Recorder is given; in ctx.saved.
struct Recorder {
  std::vector<ConstView> encoder_hidden_states, decoder_hidden_states;  // [tokens, d_model]
  // [batch * H * max query length, max key length], 0 outside the sequences
  std::vector<ConstView> encoder_attentions, decoder_attentions, cross_attentions;
  std::vector<ConstView> encoder_router_logits, decoder_router_logits;  // [tokens, num_experts]
};

struct Pass {
  bool training = false;  // dropout and jitter on
  bool keep =
      false;  // intermediate values outlive their layer; in training and with `record` they do, too
  bool router_stats = false;  // the sparse layers' losses and counts are taken down
  // Blocks keep only their input, and are computed again in backward: activation checkpointing
  // (Chen et al. 2016, arXiv 1604.06174). The same bits, in less memory. For passes that train.
  bool recompute = false;
  float dropout_rate = 0;
  float jitter_noise = 0;
  std::uint64_t seed = 0;
  std::uint64_t step = 0;
  CapacityOptions capacity;
  Recorder* record = nullptr;

  bool keeps() const { return training || keep || record; }

  Dropout dropout(std::uint64_t site) const {
    if (!training || dropout_rate == 0) return {};
    return {dropout_rate, stream_key(seed, step, site)};
  }
};

// Gives back what a sublayer took from ctx.saved, unless the pass keeps it.
class SublayerScope {
 public:
  SublayerScope(Context& ctx, const Pass& pass) {
    if (!pass.keeps()) scope_.emplace(ctx.saved);
  }

 private:
  std::optional<ArenaScope> scope_;
};

}  // namespace switchyard
