// SPDX-License-Identifier: Apache-2.0
// The Switch layer: each token is processed by the one expert its router picks.
// Source: Fedus et al., arXiv 2101.03961, eq. 1-2 (output), 3 (capacity), 4-6 (balance loss).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/nn/ffn.h"

namespace switchyard {

struct SwitchLayer {
  Linear router;              // [num_experts, d_model]
  std::optional<Param> bias;  // [num_experts]
  std::vector<Ffn> experts;
  std::int64_t expert_dim = 0;  // d_ff
  // The random-number site of the router's jitter, relative to `site`.
  static constexpr std::uint64_t kJitterSite = 1;
  std::uint64_t site = 0;

  struct Saved {
    ConstView logits;  // [tokens, num_experts], for a Recorder
    Routing routing;
    View statistics;       // [1, router_statistics_size()]: written in forward; may be empty
    ConstView expert_out;  // [slots, d_model], rows sorted by expert
    FfnSaved ffn;
    Dropout drop;
    ConstView tags;  // [tokens, 2] i32
    float jitter_noise = 0;
    std::uint64_t jitter_stream = 0;
  };

  SwitchLayer(const std::string& prefix, const ModelConfig& config, std::uint64_t site);

  // Builds the expert table. Call it after binding the experts' weights, and again after preparing
  // them.
  void bind_experts(Context& ctx);

  // x [tokens, d_model] of compute type -> y of x's shape and type, in ctx.scratch; a dropped
  // token's row is zero.
  View forward(Context& ctx, const Pass& pass, ConstView x, const Ragged& tokens, Saved& s) const;
  // x as in forward, dy [tokens, d_model] of compute type -> dx [tokens, d_model] f32 in
  // ctx.scratch, the gradient through the output and through the router losses, weighted by coefs.
  View backward(Context& ctx, ConstView x, ConstView dy, const Saved& s, RouterLossCoefs coefs,
                const ParamBuffer& grads) const;

  template <class F>
  void each_param(F&& f) {
    router.each_param(f);
    if (bias) f(*bias);
    for (Ffn& expert : experts) expert.each_param(f);
  }

 private:
  void route_tokens(Context& ctx, const Pass& pass, ConstView x, const Ragged& tokens,
                    Saved& s) const;
  // grad_logits [tokens, num_experts]; dx [tokens, d_model] f32, overwritten.
  void logits_backward(Context& ctx, ConstView x, ConstView grad_logits, const Saved& s, View dx,
                       const ParamBuffer& grads) const;
  // Recomputed in ctx.scratch, which is cheaper than storing them: the router's input [tokens,
  // d_model], which is x or, in training, a jittered f32 copy of it; and x sorted by expert,
  // [slots, d_model].
  ConstView router_input(Context& ctx, ConstView x, const Saved& s) const;
  ConstView expert_input(Context& ctx, ConstView x, const Saved& s) const;
  ExpertCall expert_call(const Saved& s) const;
  ExpertGrads expert_grads(const ParamBuffer& grads) const;

  std::shared_ptr<const ExpertTable> table_;
};

}  // namespace switchyard
