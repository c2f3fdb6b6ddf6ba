// SPDX-License-Identifier: Apache-2.0
// Multi-head attention, self and cross, over whole ragged sequences and one step at a time.
// T5's: no 1 / sqrt(d_kv), no biases on the projections (arXiv 1910.10683).
#pragma once

#include <cstdint>
#include <string>

#include "src/nn/config.h"
#include "src/nn/kv_cache.h"
#include "src/nn/linear.h"
#include "src/nn/pass.h"
#include "src/nn/relative_bias.h"

namespace switchyard {

struct Attention {
  Linear q, k, v, o;
  std::int64_t num_heads = 0;
  std::int64_t d_kv = 0;
  bool causal = false;
  std::uint64_t site = 0;  // of its dropout

  struct Saved {
    View x, memory;  // what q was, and k and v were, projected from
    View q, k, v, context, logsumexp;
    AttentionCall call;
  };

  Attention() = default;
  Attention(const std::string& prefix, const ModelConfig& config, bool causal, std::uint64_t site);

  // x [query tokens, d_model], memory [key tokens, d_model] (self-attention: x itself); `position`
  // null for cross-attention. -> [query tokens, d_model] in ctx.scratch.
  View forward(Context& ctx, const Pass& pass, View x, const Ragged& queries, View memory,
               const Ragged& keys, const RelativeBias::Expanded* position, Saved& s) const;
  // dx = the gradient by x, then dmemory += the gradient by memory (self-attention: the same view);
  // grad_bias += that of the position bias, empty for cross-attention.
  void backward(Context& ctx, View dy, const Ragged& queries, const Ragged& keys, const Saved& s,
                View dx, View dmemory, View grad_bias, const ParamBuffer& grads) const;
  // The probabilities of the last forward, for a Recorder.
  View probs(Context& ctx, const Ragged& queries, const Ragged& keys, const Saved& s) const;

  // One step, rows [rows, d_model]. Self: own key and value go into the cache first.
  View step_self(Context& ctx, View x, const KvCache& cache, std::int64_t block,
                 const RelativeBias::Expanded& position) const;
  View step_cross(Context& ctx, View x, const CrossKeys& keys, View first_key,
                  View key_count) const;
  CrossKeys cross_keys(Context& ctx, View memory) const;

  template <class F>
  void each_param(F&& f) {
    q.each_param(f);
    k.each_param(f);
    v.each_param(f);
    o.each_param(f);
  }
};

}  // namespace switchyard
