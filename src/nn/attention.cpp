// SPDX-License-Identifier: Apache-2.0
#include "src/nn/attention.h"

#include <cmath>

namespace switchyard {

Attention::Attention(const std::string& prefix, const ModelConfig& c, std::uint64_t site_)
    : num_heads(c.num_heads), d_kv(c.d_kv), site(site_) {
  const auto hf_std = [&](std::int64_t n) {
    return c.initializer_factor / std::sqrt(static_cast<float>(n));
  };
  q = Linear(prefix + ".q.weight", c.inner_dim(), c.d_model, hf_std(c.d_model * d_kv));
  k = Linear(prefix + ".k.weight", c.inner_dim(), c.d_model, hf_std(c.d_model));
  v = Linear(prefix + ".v.weight", c.inner_dim(), c.d_model, hf_std(c.d_model));
  o = Linear(prefix + ".o.weight", c.d_model, c.inner_dim(), hf_std(c.inner_dim()));
}

View Attention::forward(Context& ctx, const Pass& pass, const States& x, const States& memory,
                        const RelativeBias::Expanded* position, Saved& s) const {
  s.call = {.num_heads = num_heads,
            .d_kv = d_kv,
            .causal = causal,
            .drop = pass.dropout(site),
            .queries = x.tokens,
            .keys = memory.tokens};
  if (position) {
    s.call.bias = position->bias;
    s.call.center = position->center;
  }
  const AttentionInput in{.q = q.forward(ctx, ctx.saved, x.x),
                          .k = k.forward(ctx, ctx.saved, memory.x),
                          .v = v.forward(ctx, ctx.saved, memory.x)};
  const View out = ctx.saved.make(x.x.rows, num_heads * d_kv, ctx.compute_type);
  const View logsumexp = ctx.saved.make(x.x.rows, num_heads);
  attention(ctx, s.call, in, out, logsumexp);
  s.heads = {in, out, logsumexp};
  return o.forward(ctx, ctx.scratch, out);
}

View Attention::backward(Context& ctx, const Inputs& in, ConstView dy, const Saved& s,
                         const Grads& to) const {
  const View dx = ctx.scratch.make(in.x.rows, in.x.cols);
  const ArenaScope scope(ctx.scratch);
  const auto like = [&](const ConstView& v) { return ctx.scratch.make(v.rows, v.cols, v.dtype); };
  const View grad_out = like(s.heads.out);
  o.backward(ctx, s.heads.out, dy, grad_out, to.params);
  const AttentionGrads by{.dq = like(s.heads.in.q),
                          .dk = like(s.heads.in.k),
                          .dv = like(s.heads.in.v),
                          .grad_bias = to.bias};
  attention_backward(ctx, s.call, s.heads, grad_out, by);
  const View grad_memory = to.memory ? to.memory : dx;
  q.backward(ctx, in.x, by.dq, dx, to.params);
  k.backward_add(ctx, in.memory, by.dk, grad_memory, to.params);
  v.backward_add(ctx, in.memory, by.dv, grad_memory, to.params);
  return dx;
}

View Attention::probs(Context& ctx, const Saved& s) const {
  const Ragged &queries = s.call.queries, &keys = s.call.keys;
  const View p = ctx.saved.make(queries.batch * num_heads * queries.max_len, keys.max_len);
  attention_probs(ctx, s.call, s.heads, p);
  return p;
}

View Attention::step_self(Context& ctx, ConstView x, const KeyRows& own, const CachedKeys& keys,
                          const RelativeBias::Expanded& position) const {
  store_keys(ctx, x, own);
  const AttentionCall call{
      .num_heads = num_heads, .d_kv = d_kv, .bias = position.bias, .center = position.center};
  const View context = ctx.saved.make(x.rows, num_heads * d_kv, ctx.compute_type);
  attention_step(ctx, call, q.forward(ctx, ctx.saved, x), keys, context);
  return o.forward(ctx, ctx.saved, context);
}

View Attention::step_cross(Context& ctx, ConstView x, const CachedKeys& keys) const {
  const AttentionCall call{.num_heads = num_heads, .d_kv = d_kv};
  const View context = ctx.saved.make(x.rows, num_heads * d_kv, ctx.compute_type);
  attention_step(ctx, call, q.forward(ctx, ctx.saved, x), keys, context);
  return o.forward(ctx, ctx.saved, context);
}

void Attention::store_keys(Context& ctx, ConstView memory, const KeyRows& to) const {
  const ArenaScope scope(ctx.saved);
  scatter_rows(ctx, k.forward(ctx, ctx.saved, memory), to.index, to.k);
  scatter_rows(ctx, v.forward(ctx, ctx.saved, memory), to.index, to.v);
}

}  // namespace switchyard
