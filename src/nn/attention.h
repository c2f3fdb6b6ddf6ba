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

// A matrix of tokens, [tokens, d_model], and where its sequences begin.
struct States {
  View x;
  Ragged tokens;
};

struct Attention {
  Linear q, k, v, o;
  std::int64_t num_heads = 0;
  std::int64_t d_kv = 0;
  bool causal = false;
  std::uint64_t site = 0;  // of its dropout

  struct Saved {
    ConstView x, memory;  // what q was, and k and v were, projected from
    AttentionCall call;
    AttentionSaved heads;
  };

  Attention() = default;
  Attention(const std::string& prefix, const ModelConfig& config, bool causal, std::uint64_t site);

  // Queries of x, keys and values of memory (self-attention: x itself); `position` null for cross-
  // attention. -> [query tokens, d_model] in ctx.scratch.
  View forward(Context& ctx, const Pass& pass, const States& x, const States& memory,
               const RelativeBias::Expanded* position, Saved& s) const;
  // dx = the gradient by x, then grad_memory += the gradient by memory (self-attention: the same
  // view); grad_bias += that of the position bias, empty for cross-attention.
  void backward(Context& ctx, ConstView dy, const Saved& s, View dx, View grad_memory,
                View grad_bias, const ParamBuffer& grads) const;
  // The probabilities of the last forward, for a Recorder.
  View probs(Context& ctx, const Saved& s) const;

  // One step, rows [rows, d_model]. Self: own key and value go into the cache first.
  View step_self(Context& ctx, ConstView x, const KvCache& cache, std::int64_t block,
                 const RelativeBias::Expanded& position) const;
  View step_cross(Context& ctx, ConstView x, const CachedKeys& keys) const;
  // Of memory [source tokens, d_model], each [source tokens, inner], in ctx.saved.
  CrossKeys cross_keys(Context& ctx, ConstView memory) const;

  template <class F>
  void each_param(F&& f) {
    q.each_param(f);
    k.each_param(f);
    v.each_param(f);
    o.each_param(f);
  }
};

}  // namespace switchyard
