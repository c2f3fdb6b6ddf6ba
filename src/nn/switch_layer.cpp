// SPDX-License-Identifier: Apache-2.0
#include "src/nn/switch_layer.h"

#include <cmath>

namespace switchyard {

namespace {

Routing make_routing(Arena& arena, std::int64_t tokens, std::int64_t slots,
                     std::int64_t num_experts) {
  Routing r;
  r.probs = arena.make(tokens, num_experts);
  r.logsumexp = arena.make(tokens, 1);
  r.expert_index = arena.make(tokens, 1, DType::i32);
  r.combine_weight = arena.make(tokens, 1);
  r.slot_of_token = arena.make(tokens, 1, DType::i32);
  r.token_of_slot = arena.make(slots, 1, DType::i32);
  r.expert_offsets = arena.make_row(num_experts + 1, DType::i32);
  r.expert_count = arena.make_row(num_experts, DType::i32);
  r.dropped = arena.make_row(1, DType::i32);
  return r;
}

Capacity capacity_of(const CapacityOptions& options, std::int64_t tokens,
                     std::int64_t num_experts) {
  if (options.expert_capacity > 0) return {Capacity::kPerSequence, options.expert_capacity};
  if (options.capacity_factor > 0) {
    const double even = static_cast<double>(tokens) / static_cast<double>(num_experts);
    // Compensates for factors like 1.2 that have no exact binary representation: 1.2 * 100 tokens
    // is 120, not 121.
    constexpr double kExact = 1 - 1e-6;
    return {Capacity::kPerBatch,
            static_cast<std::int64_t>(std::ceil(even * double{options.capacity_factor} * kExact))};
  }
  return {};
}

}  // namespace

SwitchLayer::SwitchLayer(const std::string& prefix, const ModelConfig& c, std::uint64_t site_)
    : router(prefix + ".router.classifier.weight", c.num_experts, c.d_model, c.initializer_factor),
      expert_dim(c.d_ff),
      site(site_) {
  router.weight.init = {.std = 0.02f, .hf_std = c.initializer_factor};
  router.weight.weight.role = WeightRole::router;
  if (c.router_bias) {
    bias.emplace();
    bias->name = prefix + ".router.classifier.bias";
    bias->rows = 1;
    bias->cols = c.num_experts;
    bias->vector = true;
  }
  const float wo_hf_std = c.initializer_factor / std::sqrt(static_cast<float>(c.d_model));
  for (std::int64_t e = 0; e < c.num_experts; ++e)
    experts.emplace_back(prefix + ".experts.expert_" + std::to_string(e), c, wo_hf_std, site);
}

void SwitchLayer::bind_experts(Context& ctx) {
  std::vector<FfnWeights> weights;
  for (const Ffn& expert : experts) weights.push_back(expert.weights());
  table_ = make_expert_table(ctx, std::move(weights));
}

View SwitchLayer::forward(Context& ctx, const Pass& pass, ConstView x, const Ragged& tokens,
                          Saved& s) const {
  const View y = ctx.scratch.make(x.rows, x.cols, x.dtype);
  const ArenaScope scope(ctx.scratch);
  route_tokens(ctx, pass, x, tokens, s);
  const ConstView expert_in = expert_input(ctx, x, s);
  const std::int64_t slots = expert_in.rows;
  s.ffn.hidden = ctx.saved.make(slots, expert_dim, x.dtype);
  if (experts[0].wi_1) s.ffn.gate = ctx.saved.make(slots, expert_dim, x.dtype);
  s.drop = pass.expert_dropout(site);
  const View expert_out = ctx.saved.make(slots, x.cols, x.dtype);
  switchyard::experts(ctx, expert_call(s), s.routing, expert_in, s.ffn, expert_out);
  s.expert_out = expert_out;
  combine_rows(ctx, s.expert_out, s.routing, y);
  return y;
}

View SwitchLayer::backward(Context& ctx, ConstView x, ConstView dy, const Saved& s,
                           RouterLossCoefs coefs, const ParamBuffer& grads) const {
  const View dx = ctx.scratch.make(x.rows, x.cols);
  const ArenaScope scope(ctx.scratch);
  const View grad_out = ctx.scratch.make(s.expert_out.rows, dy.cols, dy.dtype);
  const View grad_combine_weight = ctx.scratch.make(dy.rows, 1);
  combine_rows_backward(ctx, dy, s.expert_out, s.routing, grad_out, grad_combine_weight);

  const ConstView expert_in = expert_input(ctx, x, s);
  const View grad_in = ctx.scratch.make(expert_in.rows, dy.cols, dy.dtype);
  experts_backward(ctx, expert_call(s), s.routing,
                   {.x = expert_in, .hidden = s.ffn.hidden, .gate = s.ffn.gate, .dy = grad_out},
                   grad_in, expert_grads(grads));

  const View grad_logits = ctx.scratch.make(x.rows, s.routing.probs.cols);
  router_backward(ctx, s.routing, grad_combine_weight, coefs, grad_logits);
  logits_backward(ctx, x, grad_logits, s, dx, grads);
  gather_rows_add(ctx, grad_in, s.routing.slot_of_token, dx);
  return dx;
}

// Router logits come from x, or in training from a jittered copy that the experts never see. They
// are f32 in every context (the paper, 2.4: selective precision).
void SwitchLayer::route_tokens(Context& ctx, const Pass& pass, ConstView x, const Ragged& tokens,
                               Saved& s) const {
  s.tags = tokens.tags;
  s.jitter_noise = pass.training ? pass.jitter_noise : 0;
  s.jitter_stream = stream_key(pass.seed, pass.step, site + kJitterSite);
  const auto num_experts = static_cast<std::int64_t>(experts.size());
  const std::int64_t slots = slot_count(ctx, x.rows, num_experts);
  const View logits = ctx.saved.make(x.rows, num_experts);
  s.logits = logits;
  s.routing = make_routing(ctx.saved, x.rows, slots, num_experts);
  linear(ctx, router_input(ctx, x, s), router.weight.weight, logits);
  if (bias) add_bias(ctx, bias->weight.value, logits);
  route(ctx, logits, capacity_of(pass.capacity, x.rows, num_experts), tokens, s.routing);
  if (s.statistics) router_statistics(ctx, s.routing, s.statistics);
}

void SwitchLayer::logits_backward(Context& ctx, ConstView x, ConstView grad_logits, const Saved& s,
                                  View dx, const ParamBuffer& grads) const {
  if (bias) bias_backward(ctx, grad_logits, grads[*bias]);
  router.backward(ctx, router_input(ctx, x, s), grad_logits, dx, grads);
  if (s.jitter_noise > 0) jitter(ctx, s.jitter_noise, s.jitter_stream, s.tags, dx, dx);
}

ConstView SwitchLayer::router_input(Context& ctx, ConstView x, const Saved& s) const {
  if (s.jitter_noise == 0) return x;
  const View jittered = ctx.scratch.make(x.rows, x.cols);
  jitter(ctx, s.jitter_noise, s.jitter_stream, s.tags, x, jittered);
  return jittered;
}

ConstView SwitchLayer::expert_input(Context& ctx, ConstView x, const Saved& s) const {
  const View sorted = ctx.scratch.make(s.routing.token_of_slot.rows, x.cols, x.dtype);
  gather_rows(ctx, x, s.routing.token_of_slot, sorted);
  return sorted;
}

ExpertCall SwitchLayer::expert_call(const Saved& s) const {
  ExpertCall call;
  call.experts = table_.get();
  call.act = experts[0].act;
  call.drop = s.drop;
  call.tags = s.tags;
  return call;
}

// All experts have the same parameters in the same order, so their gradients have a uniform stride.
ExpertGrads SwitchLayer::expert_grads(const ParamBuffer& grads) const {
  const auto offset = [&](const Ffn& expert) { return grads.offset(expert.wi.weight); };
  const std::int64_t stride = experts.size() < 2 ? 0 : offset(experts[1]) - offset(experts[0]);
  return {experts[0].grads_of(grads), stride};
}

}  // namespace switchyard
