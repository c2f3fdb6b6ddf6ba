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
      self_attention(layer_name(prefix, 0) + ".SelfAttention", c, decoder, site_ + kSelfProbs),
      site(site_) {
  if (decoder) {
    cross_norm.emplace(layer_name(prefix, 1) + ".layer_norm.weight", c.d_model,
                       c.layer_norm_epsilon);
    cross_attention.emplace(layer_name(prefix, 1) + ".EncDecAttention", c, false,
                            site + kCrossProbs);
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

View Block::forward(Context& ctx, const Pass& pass, const States& in, const States* memory,
                    const RelativeBias::Expanded& position, Saved& s) const {
  View x = in.x;
  const ConstView tags = in.tokens.tags;
  // What a sublayer adds is needed until it is added: nothing in backward reads it.
  {
    const SublayerScope saved(ctx, pass);
    const ArenaScope scratch(ctx.scratch);
    const States h{self_norm.forward(ctx, ctx.scratch, x, s.self_norm), in.tokens};
    const View y = self_attention.forward(ctx, pass, h, h, &position, s.self_attention);
    x = add_residual(ctx, pass, x, y, tags, site + kSelfOutput);
  }
  if (cross_attention) {
    const SublayerScope saved(ctx, pass);
    const ArenaScope scratch(ctx.scratch);
    const States h{cross_norm->forward(ctx, ctx.scratch, x, s.cross_norm), in.tokens};
    const View y = cross_attention->forward(ctx, pass, h, *memory, nullptr, s.cross_attention);
    x = add_residual(ctx, pass, x, y, tags, site + kCrossOutput);
  }
  const SublayerScope saved(ctx, pass);
  const ArenaScope scratch(ctx.scratch);
  const View h = ffn_norm.forward(ctx, ctx.scratch, x, s.ffn_norm);
  const View y = dense ? dense->forward(ctx, pass, h, tags, s.dense)
                       : sparse->forward(ctx, pass, h, in.tokens, s.sparse);
  return add_residual(ctx, pass, x, y, tags, site + kFfnOutput);
}

void Block::backward(Context& ctx, const Pass& pass, View dx, Saved& s,
                     const BlockGrads& to) const {
  const ArenaScope scope(ctx.scratch);
  const ConstView tags = s.self_attention.call.queries.tags;
  const View dy = ctx.scratch.make(dx.rows, dx.cols, ctx.compute_type);
  const View dh = ctx.scratch.make(dx.rows, dx.cols);

  dropout(ctx, pass.dropout(site + kFfnOutput), tags, dx, dy);
  {
    const ArenaScope again(ctx.scratch);
    (dense ? s.dense.x : s.sparse.x) = ffn_norm.forward_again(ctx, s.ffn_norm);
    if (dense) {
      dense->backward(ctx, dy, tags, s.dense, dh, to.params);
    } else {
      sparse->backward(ctx, dy, tags, s.sparse, to.coefs, dh, to.params);
    }
  }
  ffn_norm.backward(ctx, dh, s.ffn_norm, dx, to.params);

  if (cross_attention) {
    const ArenaScope again(ctx.scratch);
    s.cross_attention.x = cross_norm->forward_again(ctx, s.cross_norm);
    dropout(ctx, pass.dropout(site + kCrossOutput), tags, dx, dy);
    cross_attention->backward(ctx, dy, s.cross_attention, dh, to.memory, {}, to.params);
    cross_norm->backward(ctx, dh, s.cross_norm, dx, to.params);
  }

  s.self_attention.x = s.self_attention.memory = self_norm.forward_again(ctx, s.self_norm);
  dropout(ctx, pass.dropout(site + kSelfOutput), tags, dx, dy);
  self_attention.backward(ctx, dy, s.self_attention, dh, dh, to.bias, to.params);
  self_norm.backward(ctx, dh, s.self_norm, dx, to.params);
}

void Block::step(Context& ctx, View x, const KvCache& cache, std::int64_t index,
                 const RelativeBias::Expanded& position, const CachedKeys& cross) const {
  const ArenaScope saved(ctx.saved), scratch(ctx.scratch);
  Saved s;
  add(ctx,
      self_attention.step_self(ctx, self_norm.forward(ctx, ctx.scratch, x, s.self_norm), cache,
                               index, position),
      x);
  add(ctx,
      cross_attention->step_cross(ctx, cross_norm->forward(ctx, ctx.scratch, x, s.cross_norm),
                                  cross),
      x);
  // A step's rows are one token of a sequence each: no capacity binds.
  const Pass pass;
  Ragged rows;
  rows.tokens = rows.batch = x.rows;
  rows.max_len = 1;
  const View h = ffn_norm.forward(ctx, ctx.scratch, x, s.ffn_norm);
  add(ctx,
      dense ? dense->forward(ctx, pass, h, {}, s.dense)
            : sparse->forward(ctx, pass, h, rows, s.sparse),
      x);
}

View Block::add_residual(Context& ctx, const Pass& pass, View x, ConstView y, ConstView tags,
                         std::uint64_t at) const {
  const View out = pass.keeps() ? ctx.saved.make(x.rows, x.cols) : x;
  add_dropout(ctx, pass.dropout(at), tags, y, x, out);
  return out;
}

}  // namespace switchyard
