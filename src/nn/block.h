// SPDX-License-Identifier: Apache-2.0
// A pre-norm residual block: x += dropout(f(norm(x))) for self-attention, cross-attention in the
// decoder, and a dense or sparse feed-forward layer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "src/nn/attention.h"
#include "src/nn/ffn.h"
#include "src/nn/phase.h"
#include "src/nn/rms_norm.h"
#include "src/nn/switch_layer.h"

namespace switchyard {

// The inputs that all blocks of a stack share.
struct StackInputs {
  Ragged tokens;
  RelativeBias::Expanded position;
  std::optional<States> memory;  // the encoder's output; decoder only
};

// The gradients that backward adds to, and the coefficients of the router losses.
struct StackGrads {
  const ParamBuffer& params;
  RouterLossCoefs coefs;
  View memory{};  // [source tokens, d_model] f32; decoder only
  View bias{};    // [num_heads, 2 * center + 1]; Stack::backward provides it for its blocks
};

// The keys that the rows of one decoding step attend to in one block.
struct StepKeys {
  CachedKeys self, cross;
  KeyRows own;  // in the pool of `self`: the rows' own keys and values are written here first
};

struct Block {
  RmsNorm self_norm;
  Attention self_attention;
  std::optional<RmsNorm> cross_norm;
  std::optional<Attention> cross_attention;
  RmsNorm ffn_norm;
  std::optional<Ffn> dense;  // or sparse: exactly one is set
  std::optional<SwitchLayer> sparse;
  std::uint64_t site = 0;

  struct Saved {
    RmsNorm::Saved self_norm, cross_norm, ffn_norm;
    Attention::Saved self_attention, cross_attention;
    Ffn::Saved dense;
    SwitchLayer::Saved sparse;
  };

  Block() = default;
  // `prefix` is, for example, "encoder.block.0". Uses random-number sites `site` to `site` + 7.
  Block(const std::string& prefix, const ModelConfig& config, bool decoder, bool is_sparse,
        std::uint64_t site);

  // x [tokens, d_model] f32 -> the block's output, of the same shape. If the pass keeps values, x
  // is left unchanged and the output is a new matrix in ctx.saved; otherwise x is updated in place.
  View forward(Context& ctx, const Pass& pass, const StackInputs& in, View x, Saved& s) const;
  // dx [tokens, d_model] f32: on entry the gradient w.r.t. the output, on return w.r.t. the input.
  // Norm outputs are recomputed.
  void backward(Context& ctx, const Pass& pass, const StackInputs& in, View dx, const Saved& s,
                const StackGrads& to) const;
  // One decoding step; updates x [rows, d_model] in place. `clock` gets the time of each sublayer.
  void step(Context& ctx, View x, const StepKeys& keys, const RelativeBias::Expanded& position,
            DecodeClock& clock) const;

  template <class F>
  void each_param(F&& f) {
    self_attention.each_param(f);
    self_norm.each_param(f);
    if (cross_attention) {
      cross_attention->each_param(f);
      cross_norm->each_param(f);
    }
    if (dense) dense->each_param(f);
    if (sparse) sparse->each_param(f);
    ffn_norm.each_param(f);
  }

 private:
  // x + dropout(y), both [tokens, d_model], in place or as a new matrix: see forward().
  View add_residual(Context& ctx, const Pass& pass, View x, ConstView y, ConstView tags,
                    std::uint64_t at) const;
};

}  // namespace switchyard
