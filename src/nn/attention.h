// SPDX-License-Identifier: Apache-2.0
// T5's multi-head self- and cross-attention (arXiv 1910.10683), over whole ragged sequences or for
// one decoding step: no scaling by 1 / sqrt(d_kv), no biases in the projections.
#pragma once

#include <cstdint>
#include <string>

#include "src/nn/config.h"
#include "src/nn/linear.h"
#include "src/nn/pass.h"
#include "src/nn/relative_bias.h"

namespace switchyard {

// A token matrix and its sequences.
struct States {
  ConstView x;  // [tokens, d_model]
  Ragged tokens;
};

// The rows to write in a pool of keys and values.
struct KeyRows {
  View k, v;        // [pool rows, inner]: views of a KvPool
  ConstView index;  // [rows, 1] i32
};

struct Attention {
  Linear q, k, v, o;
  std::int64_t num_heads = 0;
  std::int64_t d_kv = 0;
  bool causal = false;
  std::uint64_t site = 0;  // random-number site of its dropout

  struct Saved {
    AttentionCall call;
    AttentionSaved heads;
  };
  // The inputs of the query and of the key and value projections; the same view for self-attention.
  struct Inputs {
    ConstView x;       // [query tokens, d_model]
    ConstView memory;  // [key tokens, d_model]
  };
  // The gradients that backward adds to.
  struct Grads {
    const ParamBuffer& params;
    View memory{};  // [key tokens, d_model] f32; cross-attention only
    View bias{};    // [num_heads, 2 * center + 1]; self-attention only
  };

  Attention() = default;
  Attention(const std::string& prefix, const ModelConfig& config, std::uint64_t site);

  // Queries come from x, keys and values from memory (x itself for self-attention), both of compute
  // type; `position` is null for cross-attention. Returns [query tokens, d_model] in ctx.scratch.
  View forward(Context& ctx, const Pass& pass, const States& x, const States& memory,
               const RelativeBias::Expanded* position, Saved& s) const;
  // dy [query tokens, d_model] of compute type -> dx [query tokens, d_model] f32 in ctx.scratch;
  // for self-attention, dx includes the gradient through keys and values.
  View backward(Context& ctx, const Inputs& in, ConstView dy, const Saved& s,
                const Grads& to) const;
  // The attention probabilities of the forward pass that filled s, in ctx.saved, for a Recorder:
  // [batch * num_heads * max query length, max key length].
  View probs(Context& ctx, const Saved& s) const;

  // One decoding step of self-attention, x [rows, d_model] -> [rows, d_model] in ctx.saved. Writes
  // the keys and values of x to `own` first.
  View step_self(Context& ctx, ConstView x, const KeyRows& own, const CachedKeys& keys,
                 const RelativeBias::Expanded& position) const;
  // The same for cross-attention, whose keys and values do not change.
  View step_cross(Context& ctx, ConstView x, const CachedKeys& keys) const;
  // Computes the keys and values of memory [tokens, d_model] and writes them to `to`.
  void store_keys(Context& ctx, ConstView memory, const KeyRows& to) const;

  template <class F>
  void each_param(F&& f) {
    q.each_param(f);
    k.each_param(f);
    v.each_param(f);
    o.each_param(f);
  }
};

}  // namespace switchyard
