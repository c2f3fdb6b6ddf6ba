// SPDX-License-Identifier: Apache-2.0
// The Switch layer: each token is processed by the one expert its router picks.
// Source: Fedus et al., arXiv 2101.03961, eq. 1-2 (output), 3 (capacity), 4-6 (balance loss).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "src/nn/ffn.h"

namespace switchyard {

// What a layer did with a batch, for the host to read.
struct RouterStats {
  RouterStats(Arena& arena, std::int64_t num_experts);
  void take(Context& ctx, const Routing& routing);

  View losses;        // [1, 2] balance loss and z-loss
  View expert_count;  // [1, num_experts] i32: tokens that chose each expert
  View dropped;       // [1, 1] i32
};

struct SwitchLayer {
  Linear router;              // [num_experts, d_model]
  std::optional<Param> bias;  // [num_experts]
  std::vector<Ffn> experts;
  std::int64_t expert_dim = 0;                     // d_ff
  static constexpr std::uint64_t kJitterSite = 1;  // the router's random numbers, after `site`
  std::uint64_t site = 0;

  struct Saved {
    ConstView x;       // [tokens, d_model]
    ConstView logits;  // [tokens, num_experts]
    Routing routing;
    RouterStats* stats = nullptr;  // to be taken in forward
    View expert_out;               // [slots, d_model], rows sorted by expert
    FfnSaved ffn;
    Dropout drop;
    float jitter_noise = 0;
    std::uint64_t jitter_stream = 0;
  };

  SwitchLayer(const std::string& prefix, const ModelConfig& config, std::uint64_t site);
  SwitchLayer(SwitchLayer&&) = default;  // a copy's weights_ would point into the original
  SwitchLayer& operator=(SwitchLayer&&) = default;

  // x [tokens, d_model] -> the same shape in ctx.scratch; a dropped token's row is zero.
  View forward(Context& ctx, const Pass& pass, ConstView x, const Ragged& tokens, Saved& s) const;
  // dx = the gradient by x, of the output and of coefs' router losses.
  void backward(Context& ctx, ConstView dy, ConstView tags, const Saved& s, RouterLossCoefs coefs,
                View dx, const ParamBuffer& grads) const;

  template <class F>
  void each_param(F&& f) {
    router.each_param(f);
    if (bias) f(*bias);
    for (Ffn& expert : experts) expert.each_param(f);
  }

 private:
  void route_tokens(Context& ctx, const Pass& pass, const Ragged& tokens, Saved& s) const;
  void route_tokens_backward(Context& ctx, ConstView grad_combine_weight, ConstView tags,
                             const Saved& s, RouterLossCoefs coefs, View dx,
                             const ParamBuffer& grads) const;
  // What is as quickly made again as kept, in ctx.scratch: the router's input [tokens, d_model], x
  // or in training its jittered copy; and x sorted by expert, [slots, d_model].
  ConstView router_input(Context& ctx, ConstView tags, const Saved& s) const;
  ConstView expert_input(Context& ctx, const Saved& s) const;
  ExpertCall expert_call(const Saved& s, ConstView tags) const;

  std::vector<FfnWeights> weights_;  // of experts, as the grouped call takes them
};

}  // namespace switchyard
