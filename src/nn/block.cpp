// SPDX-License-Identifier: Apache-2.0
#include "src/nn/block.h"

#include <cmath>

namespace switchyard {

namespace {

// Random-number sites within a block.
enum : std::uint64_t {
  kSelfProbs = 0,
  kSelfOutput = 1,
  kCrossProbs = 2,
  kCrossOutput = 3,
  kFfnHidden = 4,  // and 5: the router's jitter
  kFfnOutput = 6,
};

std::string layer_name(const std::string& block, int layer) {
  return block + ".layer." + std::to_string(layer);
}

}  // namespace

Block::Block(const std::string& prefix, const ModelConfig& c, bool decoder, bool is_sparse,
             std::uint64_t site_)
    : self_norm(layer_name(prefix, 0) + ".layer_norm.weight", c.d_model, c.layer_norm_epsilon),
      self_attention(layer_name(prefix, 0) + ".SelfAttention", c, site_ + kSelfProbs),
      site(site_) {
  if (decoder) {
    self_attention.causal = true;
    cross_norm.emplace(layer_name(prefix, 1) + ".layer_norm.weight", c.d_model,
                       c.layer_norm_epsilon);
    cross_attention.emplace(layer_name(prefix, 1) + ".EncDecAttention", c, site + kCrossProbs);
  }
  const std::string ffn = layer_name(prefix, decoder ? 2 : 1);
  ffn_norm = RmsNorm(ffn + ".layer_norm.weight", c.d_model, c.layer_norm_epsilon);
  if (is_sparse) {
    sparse.emplace(ffn + ".mlp", c, site + kFfnHidden);
  } else {
    const float wo_hf_std = c.initializer_factor / std::sqrt(static_cast<float>(c.d_ff));
    dense.emplace(ffn + ".mlp", c, wo_hf_std, site + kFfnHidden);
  }
}

View Block::forward(Context& ctx, const Pass& pass, const StackInputs& in, View x, Saved& s) const {
  const ConstView tags = in.tokens.tags;
  // A sublayer's output is dead once added to the residual: backward never reads it.
  {
    const SublayerScope saved(ctx, pass);
    const ArenaScope scratch(ctx.scratch);
    const States h{self_norm.forward(ctx, ctx.scratch, x, s.self_norm), in.tokens};
    const View y = self_attention.forward(ctx, pass, h, h, &in.position, s.self_attention);
    x = add_residual(ctx, pass, x, y, tags, site + kSelfOutput);
  }
  if (cross_attention) {
    const SublayerScope saved(ctx, pass);
    const ArenaScope scratch(ctx.scratch);
    const States h{cross_norm->forward(ctx, ctx.scratch, x, s.cross_norm), in.tokens};
    const View y = cross_attention->forward(ctx, pass, h, *in.memory, nullptr, s.cross_attention);
    x = add_residual(ctx, pass, x, y, tags, site + kCrossOutput);
  }
  const SublayerScope saved(ctx, pass);
  const ArenaScope scratch(ctx.scratch);
  const View h = ffn_norm.forward(ctx, ctx.scratch, x, s.ffn_norm);
  const View y = dense ? dense->forward(ctx, pass, h, tags, s.dense)
                       : sparse->forward(ctx, pass, h, in.tokens, s.sparse);
  return add_residual(ctx, pass, x, y, tags, site + kFfnOutput);
}

void Block::backward(Context& ctx, const Pass& pass, const StackInputs& in, View dx, const Saved& s,
                     const StackGrads& to) const {
  const ArenaScope scope(ctx.scratch);
  const ConstView tags = in.tokens.tags;
  const View dy = ctx.scratch.make(dx.rows, dx.cols, ctx.compute_type);
  {
    const ArenaScope sublayer(ctx.scratch);
    const View h = ffn_norm.recompute(ctx, s.ffn_norm);
    dropout(ctx, pass.dropout(site + kFfnOutput), tags, dx, dy);
    const View dh = dense ? dense->backward(ctx, h, dy, s.dense, to.params)
                          : sparse->backward(ctx, h, dy, s.sparse, to.coefs, to.params);
    ffn_norm.backward(ctx, dh, s.ffn_norm, dx, to.params);
  }
  if (cross_attention) {
    const ArenaScope sublayer(ctx.scratch);
    const View h = cross_norm->recompute(ctx, s.cross_norm);
    dropout(ctx, pass.dropout(site + kCrossOutput), tags, dx, dy);
    const View dh =
        cross_attention->backward(ctx, {.x = h, .memory = in.memory->x}, dy, s.cross_attention,
                                  {.params = to.params, .memory = to.memory});
    cross_norm->backward(ctx, dh, s.cross_norm, dx, to.params);
  }
  const View h = self_norm.recompute(ctx, s.self_norm);
  dropout(ctx, pass.dropout(site + kSelfOutput), tags, dx, dy);
  const View dh = self_attention.backward(ctx, {.x = h, .memory = h}, dy, s.self_attention,
                                          {.params = to.params, .bias = to.bias});
  self_norm.backward(ctx, dh, s.self_norm, dx, to.params);
}

void Block::step(Context& ctx, View x, const StepKeys& keys, const RelativeBias::Expanded& position,
                 DecodeClock& clock) const {
  const ArenaScope saved(ctx.saved), scratch(ctx.scratch);
  Saved s;
  // Each row of a step is a single token, so no capacity applies.
  const Pass pass;
  Ragged rows;
  rows.tokens = rows.batch = x.rows;
  rows.max_len = 1;
  const auto add_to_x = [&](const View& y) { add_residual(ctx, pass, x, y, rows.tags, site); };
  add_to_x(self_attention.step_self(ctx, self_norm.forward(ctx, ctx.scratch, x, s.self_norm),
                                    keys.own, keys.self, position));
  clock.end(DecodePhase::self_attention);
  add_to_x(cross_attention->step_cross(ctx, cross_norm->forward(ctx, ctx.scratch, x, s.cross_norm),
                                       keys.cross));
  clock.end(DecodePhase::cross_attention);
  const View h = ffn_norm.forward(ctx, ctx.scratch, x, s.ffn_norm);
  add_to_x(dense ? dense->forward(ctx, pass, h, rows.tags, s.dense)
                 : sparse->forward(ctx, pass, h, rows, s.sparse));
  clock.end(DecodePhase::feed_forward);
}

View Block::add_residual(Context& ctx, const Pass& pass, View x, ConstView y, ConstView tags,
                         std::uint64_t at) const {
  const View out = pass.keeps() ? ctx.saved.make(x.rows, x.cols) : x;
  add_dropout(ctx, pass.dropout(at), tags, y, x, out);
  return out;
}

}  // namespace switchyard
