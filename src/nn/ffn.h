// SPDX-License-Identifier: Apache-2.0
// The feed-forward: wo(dropout(act(wi x))), or gated (T5 v1.1, arXiv 2002.05202):
// wo(dropout(act(wi_0 x) * (wi_1 x))). Also what one expert is.
#pragma once

#include <optional>
#include <string>

#include "src/nn/config.h"
#include "src/nn/linear.h"
#include "src/nn/pass.h"

namespace switchyard {

struct Ffn {
  Linear wi;  // named wi, or wi_0 where gated
  std::optional<Linear> wi_1;
  Linear wo;
  Activation act = Activation::relu;
  std::uint64_t site = 0;

  struct Saved {
    ConstView x;
    FfnSaved ffn;
    Dropout drop;
  };

  Ffn() = default;
  // wo_hf_std: Hugging Face starts an expert's wo otherwise than a dense one's.
  Ffn(const std::string& prefix, const ModelConfig& config, float wo_hf_std, std::uint64_t site);

  // x [tokens, d_model] -> the same shape in ctx.scratch.
  View forward(Context& ctx, const Pass& pass, ConstView x, ConstView tags, Saved& s) const;
  // dx = the gradient by x.
  void backward(Context& ctx, ConstView dy, ConstView tags, const Saved& s, View dx,
                const ParamBuffer& grads) const;

  // dropout(act(wi x)), or gated, in ctx.scratch: as quickly made again in backward as kept.
  View activate(Context& ctx, ConstView tags, const Saved& s) const;

  FfnWeights weights() const {
    return {&wi.weight.weight, wi_1 ? &wi_1->weight.weight : nullptr, &wo.weight.weight};
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
  ActivationCall activation_call(ConstView tags, const Saved& s) const;
};

}  // namespace switchyard
