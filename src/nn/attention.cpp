// SPDX-License-Identifier: Apache-2.0
#include "src/nn/attention.h"

#include <cmath>

namespace switchyard {

Attention::Attention(const std::string& prefix, const ModelConfig& c, bool causal_,
                     std::uint64_t site_)
    : num_heads(c.num_heads), d_kv(c.d_kv), causal(causal_), site(site_) {
  const auto hf_std = [&](std::int64_t n) {
    return c.initializer_factor / std::sqrt(static_cast<float>(n));
  };
  q = Linear(prefix + ".q.weight", c.inner_dim(), c.d_model, hf_std(c.d_model * d_kv));
  k = Linear(prefix + ".k.weight", c.inner_dim(), c.d_model, hf_std(c.d_model));
  v = Linear(prefix + ".v.weight", c.inner_dim(), c.d_model, hf_std(c.d_model));
  o = Linear(prefix + ".o.weight", c.d_model, c.inner_dim(), hf_std(c.inner_dim()));
}

View Attention::forward(Context& ctx, const Pass& pass, View x, const Ragged& queries, View memory,
                        const Ragged& keys, const RelativeBias::Expanded* position,
                        Saved& s) const {
  s.x = x;
  s.memory = memory;
  s.call = {num_heads, d_kv, causal, {}, 0, pass.dropout(site)};
  if (position) {
    s.call.bias = position->bias;
    s.call.center = position->center;
  }
  s.q = q.forward(ctx, ctx.saved, x);
  s.k = k.forward(ctx, ctx.saved, memory);
  s.v = v.forward(ctx, ctx.saved, memory);
  s.context = ctx.saved.make(x.rows, num_heads * d_kv, ctx.compute_type);
  s.logsumexp = ctx.saved.make(x.rows, num_heads);
  attention(ctx, s.call, queries, keys, s.q, s.k, s.v, s.context, s.logsumexp);
  return o.forward(ctx, ctx.scratch, s.context);
}

void Attention::backward(Context& ctx, View dy, const Ragged& queries, const Ragged& keys,
                         const Saved& s, View dx, View dmemory, View grad_bias,
                         const ParamBuffer& grads) const {
  const ArenaScope scope(ctx.scratch);
  const std::int64_t inner = num_heads * d_kv;
  const View dcontext = ctx.scratch.make(s.x.rows, inner, s.context.dtype);
  o.backward(ctx, s.context, dy, dcontext, false, grads);
  const View dq = ctx.scratch.make(s.x.rows, inner, s.q.dtype);
  const View dk = ctx.scratch.make(s.memory.rows, inner, s.k.dtype);
  const View dv = ctx.scratch.make(s.memory.rows, inner, s.v.dtype);
  attention_backward(ctx, s.call, queries, keys, s.q, s.k, s.v, s.context, s.logsumexp, dcontext,
                     dq, dk, dv, grad_bias);
  q.backward(ctx, s.x, dq, dx, false, grads);
  k.backward(ctx, s.memory, dk, dmemory, true, grads);
  v.backward(ctx, s.memory, dv, dmemory, true, grads);
}

View Attention::probs(Context& ctx, const Ragged& queries, const Ragged& keys,
                      const Saved& s) const {
  const View p = ctx.saved.make(queries.batch * num_heads * queries.max_len, keys.max_len);
  attention_probs(ctx, s.call, queries, keys, s.q, s.k, s.logsumexp, p);
  return p;
}

View Attention::step_self(Context& ctx, View x, const KvCache& cache, std::int64_t block,
                          const RelativeBias::Expanded& position) const {
  scatter_rows(ctx, k.forward(ctx, ctx.saved, x), cache.own_row(), cache.k(block));
  scatter_rows(ctx, v.forward(ctx, ctx.saved, x), cache.own_row(), cache.v(block));
  const AttentionCall call{num_heads, d_kv, causal, position.bias, position.center, {}};
  const View context = ctx.saved.make(x.rows, num_heads * d_kv);
  attention_step(ctx, call, q.forward(ctx, ctx.saved, x), cache.k(block), cache.v(block),
                 cache.first_key(), cache.key_count(), context);
  return o.forward(ctx, ctx.saved, context);
}

View Attention::step_cross(Context& ctx, View x, const CrossKeys& keys, View first_key,
                           View key_count) const {
  const AttentionCall call{num_heads, d_kv, false, {}, 0, {}};
  const View context = ctx.saved.make(x.rows, num_heads * d_kv);
  attention_step(ctx, call, q.forward(ctx, ctx.saved, x), keys.k, keys.v, first_key, key_count,
                 context);
  return o.forward(ctx, ctx.saved, context);
}

CrossKeys Attention::cross_keys(Context& ctx, View memory) const {
  return {k.forward(ctx, ctx.saved, memory), v.forward(ctx, ctx.saved, memory)};
}

}  // namespace switchyard
