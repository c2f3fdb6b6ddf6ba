// SPDX-License-Identifier: Apache-2.0
// The feed-forward layer: wo(dropout(act(wi x))) or, if gated (T5 v1.1, arXiv 2002.05202),
// wo(dropout(act(wi_0 x) * (wi_1 x))). Experts are feed-forward layers, too.
#pragma once

#include <optional>
#include <string>

#include "src/nn/config.h"
#include "src/nn/linear.h"
#include "src/nn/pass.h"

namespace switchyard {

struct Ffn {
  Linear wi;  // named wi, or wi_0 if gated
  std::optional<Linear> wi_1;
  Linear wo;
  Activation act = Activation::relu;
  std::uint64_t site = 0;

  struct Saved {
    FfnSaved ffn;
    Dropout drop;
    ConstView tags;  // [tokens, 2] i32
  };

  Ffn() = default;
  // wo_hf_std: Hugging Face initializes an expert's wo differently from a dense layer's.
  Ffn(const std::string& prefix, const ModelConfig& config, float wo_hf_std, std::uint64_t site);

  // x [tokens, d_model] of compute type, tags [tokens, 2] i32 (empty without dropout) -> y of x's
  // shape and type, in ctx.scratch.
  View forward(Context& ctx, const Pass& pass, ConstView x, ConstView tags, Saved& s) const;
  // x as in forward, dy [tokens, d_model] of compute type -> dx [tokens, d_model] f32 in
  // ctx.scratch.
  View backward(Context& ctx, ConstView x, ConstView dy, const Saved& s,
                const ParamBuffer& grads) const;

  FfnWeights weights() const {
    return {wi.weight.weight, wi_1 ? std::optional(wi_1->weight.weight) : std::nullopt,
            wo.weight.weight};
  }
  FfnGrads grads_of(const ParamBuffer& grads) const {
    return {grads[wi.weight], wi_1 ? grads[wi_1->weight] : View{}, grads[wo.weight]};
  }

  template <class F>
  void each_param(F&& f) {
    wi.each_param(f);
    if (wi_1) wi_1->each_param(f);
    wo.each_param(f);
  }

 private:
  ActivationCall activation_call(const Saved& s) const;
  // The input of wo, [tokens, d_ff] in ctx.scratch: cheaper to recompute in backward than to store.
  View activate(Context& ctx, const Saved& s) const;
};

}  // namespace switchyard
