// SPDX-License-Identifier: Apache-2.0
// Router and experts of the reference backend.
#include "src/backend/backend.h"
#include "tests/reference/ops.h"
#include "tests/reference/views.h"

namespace switchyard {

using Reals = reference::Matrix<double>;
using reference::add_to;
using reference::IntMatrix;
using reference::load;
using reference::load_ints;
using reference::store;

struct ExpertTable {
  std::vector<FfnWeights> experts;
};

namespace {

reference::Routes<double> load(const Routing& r) {
  return {load(r.probs),
          load(r.logsumexp),
          load_ints(r.expert_index),
          load(r.combine_weight),
          load_ints(r.slot_of_token),
          load_ints(r.token_of_slot),
          load_ints(r.expert_offsets),
          load_ints(r.expert_count)};
}

reference::FeedForward<double> load(const FfnWeights& w) {
  return {load(w.wi.value), w.wi_1 ? load(w.wi_1->value) : Reals(), load(w.wo.value)};
}

std::int64_t count_of(const ExpertCall& call) {
  return static_cast<std::int64_t>(call.experts->experts.size());
}
const FfnWeights& expert_of(const ExpertCall& call, std::int64_t i) {
  return call.experts->experts[static_cast<std::size_t>(i)];
}

// The slots of one expert of a call.
struct ExpertRows {
  std::int64_t begin, count;
  IntMatrix tags;  // of their tokens

  ExpertRows(const ExpertCall& call, const reference::Routes<double>& routes, std::int64_t i) {
    begin = routes.expert_offsets[call.first_expert + i];
    count = routes.expert_offsets[call.first_expert + i + 1] - begin;
    if (call.drop.rate == 0) return;
    IntMatrix tokens(count, 1);
    for (std::int64_t s = 0; s < count; ++s) tokens[s] = routes.token_of_slot[begin + s];
    tags = reference::gather_rows(load_ints(call.tags), tokens);
  }
  template <class V>
  V of(V v) const {
    return v ? v.slice_rows(begin, count) : V{};
  }
};

}  // namespace

void jitter(Context&, float eps, std::uint64_t stream, ConstView tags, ConstView x, View y) {
  store(reference::jitter(eps, stream, load_ints(tags), load(x)), y);
}

std::int64_t slot_count(const Context&, std::int64_t tokens, std::int64_t) { return tokens; }

void route(Context&, ConstView logits, Capacity capacity, const Ragged& tokens, Routing& routing) {
  const auto r = reference::route(load(logits), capacity, load(tokens));
  store(r.probs, routing.probs);
  store(r.logsumexp, routing.logsumexp);
  store(r.expert_index, routing.expert_index);
  store(r.combine_weight, routing.combine_weight);
  store(r.slot_of_token, routing.slot_of_token);
  store(r.token_of_slot, routing.token_of_slot);
  store(r.expert_offsets, routing.expert_offsets);
  store(r.expert_count, routing.expert_count);
  std::int32_t dropped = 0;
  for (std::int32_t slot : r.slot_of_token.values) dropped += slot < 0;
  store(IntMatrix(1, 1, dropped), routing.dropped);
}

void router_statistics(Context&, const Routing& routing, View statistics) {
  const auto [balance, z] = reference::router_losses(load(routing));
  std::vector<double> values = {balance, z, static_cast<double>(load_ints(routing.dropped)[0])};
  for (const std::int32_t count : load_ints(routing.expert_count).values) values.push_back(count);
  const auto size = static_cast<std::int64_t>(values.size());
  store(Reals(1, size, std::move(values)), statistics);
}
void router_backward(Context&, const Routing& routing, ConstView grad_combine_weight,
                     RouterLossCoefs coefs, View grad_logits) {
  store(reference::router_backward(load(routing), load(grad_combine_weight), coefs.aux, coefs.z),
        grad_logits);
}

void gather_rows(Context&, ConstView x, ConstView index, View y) {
  store(reference::gather_rows(load(x), load_ints(index)), y);
}
void gather_rows_add(Context&, ConstView x, ConstView index, View y) {
  Reals sum = load(y);
  reference::gather_rows_add(load(x), load_ints(index), sum);
  store(sum, y);
}

void combine_rows(Context&, ConstView expert_out, const Routing& routing, View y) {
  store(reference::combine_rows(load(expert_out), load(routing)), y);
}
void combine_rows_backward(Context&, ConstView dy, ConstView expert_out, const Routing& routing,
                           View grad_out, View grad_combine_weight) {
  Reals out, weight;
  reference::combine_rows_backward(load(dy), load(expert_out), load(routing), out, weight);
  store(out, grad_out);
  store(weight, grad_combine_weight);
}

std::shared_ptr<const ExpertTable> make_expert_table(Context&, std::vector<FfnWeights> experts) {
  return std::make_shared<const ExpertTable>(ExpertTable{std::move(experts)});
}

void experts(Context&, const ExpertCall& call, const Routing& routing, ConstView x, FfnSaved& saved,
             View y) {
  const auto routes = load(routing);
  for (std::int64_t i = 0; i < count_of(call); ++i) {
    const ExpertRows rows(call, routes, i);
    if (rows.count == 0) continue;
    reference::FeedForwardSaved<double> s;
    store(reference::feed_forward(load(expert_of(call, i)), call.act, call.drop, rows.tags,
                                  load(rows.of(x)), s),
          rows.of(y));
    store(s.hidden, rows.of(saved.hidden));
    store(s.gate, rows.of(saved.gate));
  }
}

void experts_backward(Context&, const ExpertCall& call, const Routing& routing,
                      const ExpertsBackwardInput& in, View dx, const ExpertGrads& grads) {
  const auto routes = load(routing);
  for (std::int64_t i = 0; i < count_of(call); ++i) {
    const ExpertRows rows(call, routes, i);
    if (rows.count == 0) continue;
    const reference::FeedForwardSaved<double> s{load(rows.of(in.hidden)), load(rows.of(in.gate))};
    const FfnGrads sums = grads.of(i);
    reference::FeedForward<double> dw{load(sums.wi), load(sums.wi_1), load(sums.wo)};
    store(reference::feed_forward_backward(load(expert_of(call, i)), call.act, call.drop, rows.tags,
                                           load(rows.of(in.x)), s, load(rows.of(in.dy)), dw),
          rows.of(dx));
    store(dw.wi, sums.wi);
    store(dw.wi_1, sums.wi_1);
    store(dw.wo, sums.wo);
  }
}

}  // namespace switchyard
