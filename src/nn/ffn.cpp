// SPDX-License-Identifier: Apache-2.0
#include "src/nn/ffn.h"

#include <cmath>

namespace switchyard {

Ffn::Ffn(const std::string& prefix, const ModelConfig& c, float wo_hf_std, std::uint64_t site_)
    : act(c.dense_act_fn), site(site_) {
  const float wi_hf_std = c.initializer_factor / std::sqrt(static_cast<float>(c.d_model));
  wi = Linear(prefix + (c.is_gated_act ? ".wi_0.weight" : ".wi.weight"), c.d_ff, c.d_model,
              wi_hf_std);
  if (c.is_gated_act) wi_1 = Linear(prefix + ".wi_1.weight", c.d_ff, c.d_model, wi_hf_std);
  wo = Linear(prefix + ".wo.weight", c.d_model, c.d_ff, wo_hf_std);
}

View Ffn::forward(Context& ctx, const Pass& pass, ConstView x, ConstView tags, Saved& s) const {
  s.x = x;
  s.drop = pass.dropout(site);
  s.ffn.hidden = wi.forward(ctx, ctx.saved, x);
  if (wi_1) s.ffn.gate = wi_1->forward(ctx, ctx.saved, x);
  return wo.forward(ctx, ctx.scratch, activate(ctx, tags, s));
}

void Ffn::backward(Context& ctx, ConstView dy, ConstView tags, const Saved& s, View dx,
                   const ParamBuffer& grads) const {
  const ArenaScope scope(ctx.scratch);
  const View grad_hidden = ctx.scratch.make(dy.rows, wi.weight.rows, dy.dtype);
  const View grad_gate = wi_1 ? ctx.scratch.make(dy.rows, wi.weight.rows, dy.dtype) : View{};
  wo.backward(ctx, activate(ctx, tags, s), dy, grad_hidden, grads);
  activation_backward(ctx, activation_call(tags, s), grad_hidden, grad_hidden, grad_gate);
  if (wi_1) {
    wi_1->backward(ctx, s.x, grad_gate, dx, grads);
    wi.backward_add(ctx, s.x, grad_hidden, dx, grads);
  } else {
    wi.backward(ctx, s.x, grad_hidden, dx, grads);
  }
}

View Ffn::activate(Context& ctx, ConstView tags, const Saved& s) const {
  const View& hidden = s.ffn.hidden;
  const View activated = ctx.scratch.make(hidden.rows, hidden.cols, hidden.dtype);
  activation(ctx, activation_call(tags, s), activated);
  return activated;
}

ActivationCall Ffn::activation_call(ConstView tags, const Saved& s) const {
  return {.act = act, .hidden = s.ffn.hidden, .gate = s.ffn.gate, .drop = s.drop, .tags = tags};
}

}  // namespace switchyard
