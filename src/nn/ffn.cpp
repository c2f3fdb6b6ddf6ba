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
  s.drop = pass.dropout(site);
  s.tags = tags;
  s.ffn.hidden = wi.forward(ctx, ctx.saved, x);
  if (wi_1) s.ffn.gate = wi_1->forward(ctx, ctx.saved, x);
  return wo.forward(ctx, ctx.scratch, activate(ctx, s));
}

View Ffn::backward(Context& ctx, ConstView x, ConstView dy, const Saved& s,
                   const ParamBuffer& grads) const {
  const View dx = ctx.scratch.make(x.rows, x.cols);
  const ArenaScope scope(ctx.scratch);
  const View grad_hidden = ctx.scratch.make(dy.rows, wi.weight.rows, dy.dtype);
  const View grad_gate = wi_1 ? ctx.scratch.make(dy.rows, wi.weight.rows, dy.dtype) : View{};
  wo.backward(ctx, activate(ctx, s), dy, grad_hidden, grads);
  activation_backward(ctx, activation_call(s), grad_hidden, grad_hidden, grad_gate);
  if (wi_1) {
    wi_1->backward(ctx, x, grad_gate, dx, grads);
    wi.backward_add(ctx, x, grad_hidden, dx, grads);
  } else {
    wi.backward(ctx, x, grad_hidden, dx, grads);
  }
  return dx;
}

ActivationCall Ffn::activation_call(const Saved& s) const {
  return {.act = act, .hidden = s.ffn.hidden, .gate = s.ffn.gate, .drop = s.drop, .tags = s.tags};
}

View Ffn::activate(Context& ctx, const Saved& s) const {
  const View& hidden = s.ffn.hidden;
  const View activated = ctx.scratch.make(hidden.rows, hidden.cols, hidden.dtype);
  activation(ctx, activation_call(s), activated);
  return activated;
}

}  // namespace switchyard
