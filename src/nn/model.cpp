// SPDX-License-Identifier: Apache-2.0
#include "src/nn/model.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "src/core/error.h"
#include "src/core/rng.h"
#include "src/core/round.h"

namespace switchyard {

namespace {

// Random-number sites: each stack has a range with its own sites first, then 8 per block.
constexpr std::uint64_t kDecoderSites = std::uint64_t{1} << 20;
constexpr std::uint64_t kEmbeddingSite = 0;
constexpr std::uint64_t kFinalSite = 1;
constexpr std::uint64_t kSitesPerBlock = 8;

// Packs the parameter's weight as prepare_weight() does; errors name the parameter.
bool prepare_param(Context& ctx, Param& param) {
  return with_context("tensor " + param.name, [&] { return prepare_weight(ctx, param.weight); });
}

void record_block(Context& ctx, Recorder& r, StackKind kind, const Block& block,
                  const Block::Saved& s) {
  const bool decoder = kind == StackKind::decoder;
  (decoder ? r.decoder_attentions : r.encoder_attentions)
      .push_back(block.self_attention.probs(ctx, s.self_attention));
  if (block.cross_attention)
    r.cross_attentions.push_back(block.cross_attention->probs(ctx, s.cross_attention));
  if (block.sparse)
    (decoder ? r.decoder_router_logits : r.encoder_router_logits).push_back(s.sparse.logits);
}

}  // namespace

Stack::Stack(const ModelConfig& c, StackKind kind_)
    : kind(kind_), site(kind == StackKind::decoder ? kDecoderSites : 0) {
  const bool decoder = kind == StackKind::decoder;
  const std::string name = decoder ? "decoder" : "encoder";
  if (c.separate_embeddings) {
    embed_tokens.emplace();
    embed_tokens->name = name + ".embed_tokens.weight";
    embed_tokens->rows = c.vocab_size;
    embed_tokens->cols = c.d_model;
    embed_tokens->init = {.std = 1, .hf_std = c.initializer_factor, .embedding = true};
    embed_tokens->lookup = true;
  }
  const float bias_hf_std = c.initializer_factor / std::sqrt(static_cast<float>(c.d_model));
  position = RelativeBias(name + ".block.0.layer.0.SelfAttention.relative_attention_bias.weight",
                          !decoder, c.relative_attention_num_buckets,
                          c.relative_attention_max_distance, c.num_heads, bias_hf_std);
  const std::vector<bool>& sparse = decoder ? c.decoder_sparse : c.encoder_sparse;
  for (std::size_t i = 0; i < sparse.size(); ++i)
    blocks.emplace_back(name + ".block." + std::to_string(i), c, decoder, sparse[i],
                        site + kSitesPerBlock * (i + 1));
  final_norm = RmsNorm(name + ".final_layer_norm.weight", c.d_model, c.layer_norm_epsilon);
}

View Stack::forward(Context& ctx, const Pass& pass, ConstView ids, const Ragged& tokens,
                    const States* memory, Saved& s) const {
  s.pass = pass;
  s.ids = ids;
  s.in.tokens = tokens;
  if (memory) s.in.memory = *memory;
  View x = ctx.saved.make(tokens.tokens, embedding->cols);
  embed(ctx, embedding->weight, ids, x);
  dropout(ctx, pass.dropout(site + kEmbeddingSite), tokens.tags, x, x);
  std::vector<ConstView>* states = nullptr;
  if (pass.record)
    states = kind == StackKind::decoder ? &pass.record->decoder_hidden_states
                                        : &pass.record->encoder_hidden_states;

  s.in.position = position.forward(ctx, tokens.max_len);
  if (!pass.recompute) s.blocks.resize(blocks.size());
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (states) states->push_back(x);
    x = forward_block(ctx, i, x, s);
    if (pass.record) record_block(ctx, *pass.record, kind, blocks[i], s.blocks[i]);
  }
  const View y = final_norm.forward(ctx, ctx.saved, x, s.final_norm);
  dropout(ctx, pass.dropout(site + kFinalSite), tokens.tags, y, y);
  if (states) states->push_back(y);
  return y;
}

View Stack::forward_block(Context& ctx, std::size_t i, View x, Saved& s) const {
  const Block& block = blocks[i];
  Block::Saved dropped;
  Block::Saved& saved = s.pass.recompute ? dropped : s.blocks[i];
  if (block.sparse && s.pass.router_statistics) {
    const auto before =
        std::count_if(blocks.begin(), blocks.begin() + static_cast<std::ptrdiff_t>(i),
                      [](const Block& b) { return b.sparse.has_value(); });
    const std::int64_t size = router_statistics_size(std::ssize(block.sparse->experts));
    saved.sparse.statistics = s.pass.router_statistics.slice_cols(before * size, size);
  }
  if (!s.pass.recompute) return block.forward(ctx, s.pass, s.in, x, saved);
  assert(s.pass.keeps() && !s.pass.record);
  s.block_inputs.push_back(x);
  const View output = ctx.saved.make(x.rows, x.cols);
  const ArenaScope scope(ctx.saved);
  copy(ctx, block.forward(ctx, s.pass, s.in, x, saved), output);
  return output;
}

void Stack::backward(Context& ctx, View dy, const Saved& s, const StackGrads& to) const {
  const ArenaScope scope(ctx.scratch);
  const View dx = ctx.scratch.make(dy.rows, dy.cols);
  const View grad_bias = ctx.scratch.make(s.in.position.bias.rows, s.in.position.bias.cols);
  fill(ctx, 0, dx);
  fill(ctx, 0, grad_bias);
  dropout(ctx, s.pass.dropout(site + kFinalSite), s.in.tokens.tags, dy, dy);
  final_norm.backward(ctx, dy, s.final_norm, dx, to.params);
  StackGrads of_blocks = to;
  of_blocks.bias = grad_bias;
  for (std::size_t i = blocks.size(); i-- > 0;) {
    const ArenaScope recomputed(ctx.saved);
    Block::Saved again;
    if (s.pass.recompute) blocks[i].forward(ctx, s.pass, s.in, s.block_inputs[i], again);
    blocks[i].backward(ctx, s.pass, s.in, dx, s.pass.recompute ? again : s.blocks[i], of_blocks);
  }
  position.backward(ctx, grad_bias, s.in.position, to.params);
  dropout(ctx, s.pass.dropout(site + kEmbeddingSite), s.in.tokens.tags, dx, dx);
  embed_backward(ctx, s.ids, dx, to.params[*embedding]);
}

Model::Model(const ModelConfig& c)
    : encoder(c, StackKind::encoder), decoder(c, StackKind::decoder), config_(c) {
  shared.name = "shared.weight";
  shared.rows = c.vocab_size;
  shared.cols = c.d_model;
  shared.init = {.std = 1, .hf_std = c.initializer_factor, .embedding = true};
  shared.lookup = !c.tie_word_embeddings;
  if (!c.tie_word_embeddings) {
    const float paper_std = std::sqrt(0.1f / static_cast<float>(c.d_model));
    lm_head.emplace();
    lm_head->name = "lm_head.weight";
    lm_head->rows = c.vocab_size;
    lm_head->cols = c.d_model;
    lm_head->init = {.std = paper_std, .truncated = true, .hf_std = c.initializer_factor};
  }
  (lm_head ? *lm_head : shared).weight.role = WeightRole::head;
  for (Stack* stack : {&encoder, &decoder})
    stack->embedding = stack->embed_tokens ? &*stack->embed_tokens : &shared;
  each_param([&](Param& param) {
    param.index = static_cast<std::int64_t>(layout_.offset.size());
    layout_.offset.push_back(layout_.total);
    layout_.total += round_up<std::int64_t>(param.size(), kAlignment / sizeof(float));
  });
}

void Model::bind(Context& ctx, const ParamBuffer& values) {
  each_param([&](Param& param) {
    param.weight.value = values[param];
    param.weight.packed = nullptr;
  });
  owned_.clear();
  check_unchanged_ = nullptr;
  bind_experts(ctx);
  finish(ctx);
}

void Model::prepare(Context& ctx) {
  each_param([&](Param& param) {
    if (param.in_matmuls()) prepare_param(ctx, param);
  });
  bind_experts(ctx);
  finish(ctx);
}

void Model::load_prepared(Context& ctx, const ReadParam& read) {
  owned_.clear();
  check_unchanged_ = nullptr;
  std::int64_t largest = 0;
  each_param([&](const Param& param) {
    if (param.in_matmuls()) largest = std::max(largest, param.size());
  });
  const Tensor unpacked(ctx, 1, largest);
  each_param([&](Param& param) {
    Weight& weight = param.weight;
    weight.packed = nullptr;
    weight.value = param.in_matmuls() ? unpacked.view().matrix(0, param.rows, param.cols)
                                      : own_value(ctx, param);
    read(param, weight.value);
    if (!param.in_matmuls()) return;
    if (prepare_param(ctx, param)) {
      weight.forget_value();
    } else {
      const View value = own_value(ctx, param);
      copy(ctx, weight.value, value);
      weight.value = value;
    }
  });
  bind_experts(ctx);
  finish(ctx);
}

std::string stored_layout(const Context& ctx, const Param& param) {
  return param.in_matmuls() ? packed_layout(ctx, param.weight) : std::string();
}

void Model::adopt_prepared(Context& ctx, const PreparedWeights& weights) {
  owned_.clear();
  check_unchanged_ = weights.check_unchanged;
  each_param([&](Param& param) {
    Weight& weight = param.weight;
    weight.packed = nullptr;
    weight.value = {nullptr, param.rows, param.cols, param.cols, param.rows, DType::f32};
    if (!stored_layout(ctx, param).empty()) {
      adopt_packed(ctx, weight, weights.packed(param));
      return;
    }
    weight.value = own_value(ctx, param);
    weights.read(param, weight.value);
  });
  bind_experts(ctx);
  finish(ctx);
}

View Model::own_value(Context& ctx, const Param& param) {
  return owned_.emplace_back(ctx, 1, param.size()).view().matrix(0, param.rows, param.cols);
}

void Model::bind_experts(Context& ctx) {
  for (Stack* stack : {&encoder, &decoder})
    for (Block& block : stack->blocks)
      if (block.sparse) block.sparse->bind_experts(ctx);
}

float Model::head_scale() const {
  return config_.scale_decoder_outputs ? 1.0f / std::sqrt(static_cast<float>(config_.d_model))
                                       : 1.0f;
}

View Model::logits(Context& ctx, const Pass& pass, const Batch& batch) const {
  Stack::Saved encoder_saved, decoder_saved;
  const States memory{
      encoder.forward(ctx, pass, batch.source_ids, batch.source, nullptr, encoder_saved),
      batch.source};
  const View states =
      decoder.forward(ctx, pass, batch.target_ids, batch.target, &memory, decoder_saved);
  const View h = ctx.saved.make(states.rows, states.cols, states.dtype);
  scale(ctx, head_scale(), states, h);
  const View y = ctx.saved.make(states.rows, config_.vocab_size);
  linear(ctx, h, head().weight, y);
  return y;
}

namespace {

struct ParameterCounts {
  std::int64_t all = 0, active = 0;
};

// All parameters of a sparse layer scale with the number of experts; the router has a row for each.
ParameterCounts count_parameters(ModelConfig config) {
  const std::int64_t more_experts = config.num_experts - 1;
  config.num_experts = 1;
  Model model(config);
  const auto size_of = [](auto&& part) {
    std::int64_t size = 0;
    part.each_param([&](const Param& param) { size += param.size(); });
    return size;
  };
  const std::int64_t with_one = size_of(model);
  ParameterCounts counts{with_one, with_one};
  for (Stack* stack : {&model.encoder, &model.decoder}) {
    for (Block& block : stack->blocks) {
      if (!block.sparse) continue;
      const std::int64_t layer = size_of(*block.sparse), expert = size_of(block.sparse->experts[0]);
      counts.all += more_experts * layer;
      counts.active += more_experts * (layer - expert);
    }
  }
  return counts;
}

}  // namespace

std::int64_t parameter_count(const ModelConfig& config) { return count_parameters(config).all; }
std::int64_t active_parameter_count(const ModelConfig& config) {
  return count_parameters(config).active;
}

void initialise(Context& ctx, const Model& model, std::uint64_t seed, const Initialisation& start,
                const ParamBuffer& values) {
  constexpr std::uint64_t kInitStep = ~std::uint64_t{0};  // no training step has this number
  model.each_param([&](const Param& param) {
    const auto site = static_cast<std::uint64_t>(param.index);
    Rng rng(stream_key(seed, kInitStep, site));
    const float paper_std = param.init.std * (param.init.embedding ? start.embedding_std : 1);
    const float std = start.hf ? param.init.hf_std : paper_std;
    const bool truncated = !start.hf && param.init.truncated;
    const float constant =
        param.init.constant * (start.hf ? model.config().initializer_factor : 1.0f);
    std::vector<float> host(static_cast<std::size_t>(param.size()), constant);
    if (std > 0)
      for (float& x : host)
        x = static_cast<float>((truncated ? rng.truncated_normal() : rng.normal()) * double{std});
    upload(ctx, host.data(), param.size(), values[param]);
  });
  finish(ctx);
}

}  // namespace switchyard
