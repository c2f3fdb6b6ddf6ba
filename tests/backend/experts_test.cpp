// SPDX-License-Identifier: Apache-2.0
// The router and the experts.
#include "tests/backend/machine.h"
#include "tests/backend/routing.h"

namespace switchyard {
namespace {

void check_routing(const Machine& m, const Routing& actual, const reference::Routes<double>& r) {
  CHECK(m.differs(actual.probs, r.probs) == "");
  CHECK(m.differs(actual.logsumexp, r.logsumexp) == "");
  CHECK(m.differs(actual.combine_weight, r.combine_weight) == "");
  CHECK(m.whole_numbers(actual.expert_index).values == r.expert_index.values);
  CHECK(m.whole_numbers(actual.slot_of_token).values == r.slot_of_token.values);
  CHECK(m.whole_numbers(actual.token_of_slot).values == r.token_of_slot.values);
  CHECK(m.whole_numbers(actual.expert_offsets).values == r.expert_offsets.values);
  CHECK(m.whole_numbers(actual.expert_count).values == r.expert_count.values);
  const auto dropped = std::count(r.slot_of_token.values.begin(), r.slot_of_token.values.end(), -1);
  CHECK(m.whole_numbers(actual.dropped)[0] == dropped);
}

Capacity any_capacity() {
  return GENERATE(Capacity{}, Capacity{Capacity::kPerBatch, 9}, Capacity{Capacity::kPerSequence, 2},
                  Capacity{Capacity::kPerSequence, 0});
}

TEST_CASE("routing, its losses and their backward") {
  Machine m = any_machine();
  const std::int64_t num_experts = GENERATE(1, 3, 16, 37);
  const Capacity capacity = any_capacity();
  CAPTURE(num_experts, capacity.rule, capacity.tokens);
  const Ragged tokens = m.ragged({7, 1, 40, 12});
  const View logits = m.normal(tokens.tokens, num_experts);
  Routing routing = make_routing(m, tokens.tokens, num_experts);
  route(*m.ctx, logits, capacity, tokens, routing);
  const auto expected = reference::route(m.reals(logits), capacity, m.sequences(tokens));
  check_routing(m, routing, expected);

  const View statistics = m.output(1, router_statistics_size(num_experts));
  router_statistics(*m.ctx, routing, statistics);
  const auto [balance, z] = reference::router_losses(expected);
  std::vector<double> told = {balance, z, 0};
  for (const std::int32_t slot : expected.slot_of_token.values) told[2] += slot < 0;
  told.insert(told.end(), expected.expert_count.values.begin(), expected.expert_count.values.end());
  CHECK(m.differs(statistics, Reals(1, statistics.cols, told)) == "");

  const View grad_weight = m.normal(tokens.tokens, 1);
  const View grad_logits = m.output(tokens.tokens, num_experts);
  router_backward(*m.ctx, routing, grad_weight, {.aux = 0.7f, .z = 0.3f}, grad_logits);
  CHECK(m.differs(grad_logits,
                  reference::router_backward(expected, m.reals(grad_weight), 0.7f, 0.3f)) == "");
}

TEST_CASE("equal logits go to the lowest expert") {
  Machine m = any_machine();
  const Ragged tokens = m.ragged({3, 2});
  Routing routing = make_routing(m, 5, 6);
  route(*m.ctx, m.filled(5, 6, 0.25f), {}, tokens, routing);
  CHECK(m.whole_numbers(routing.expert_index).values == std::vector<std::int32_t>(5, 0));
  CHECK(m.whole_numbers(routing.token_of_slot).values == std::vector<std::int32_t>{0, 1, 2, 3, 4});
}

TEST_CASE("combining expert outputs, and backward") {
  Machine m = any_machine();
  const Capacity capacity = any_capacity();
  const std::int64_t cols = GENERATE(1, 21, 128);
  const Ragged tokens = m.ragged({20, 40});
  const View logits = m.normal(60, 4);
  Routing routing = make_routing(m, 60, 4);
  route(*m.ctx, logits, capacity, tokens, routing);
  const auto routes = reference::route(m.reals(logits), capacity, m.sequences(tokens));
  const View expert_out = m.normal(60, cols), dy = m.normal(60, cols);

  const View y = m.output(60, cols);
  combine_rows(*m.ctx, expert_out, routing, y);
  CHECK(m.differs(y, reference::combine_rows(m.reals(expert_out), routes)) == "");

  const View grad_out = m.output(60, cols), grad_weight = m.output(60, 1);
  combine_rows_backward(*m.ctx, dy, expert_out, routing, grad_out, grad_weight);
  Reals expected_out, expected_weight;
  reference::combine_rows_backward(m.reals(dy), m.reals(expert_out), routes, expected_out,
                                   expected_weight);
  CHECK(m.differs(grad_out, expected_out) == "");
  CHECK(m.differs(grad_weight, expected_weight) == "");
}

// A layer of experts in a backend's memory.
struct Layer {
  Layer(Machine& m, std::int64_t num_experts, std::int64_t d_model, std::int64_t d_ff, bool gated) {
    for (std::int64_t e = 0; e < num_experts; ++e) {
      weights.push_back(
          {{m.normal(d_ff, d_model), nullptr}, {}, {m.normal(d_model, d_ff), nullptr}});
      if (gated) weights.back().wi_1 = Weight{m.normal(d_ff, d_model), nullptr};
    }
    table = make_expert_table(*m.ctx, weights);
    // Gradients of one expert after another, row by row.
    const std::int64_t rows = (gated ? 2 : 1) * d_ff + d_model;
    const View all = m.normal(num_experts * rows, std::max(d_model, d_ff));
    const auto part = [&](std::int64_t first, std::int64_t count, std::int64_t cols) {
      return all.slice_rows(first, count).slice_cols(0, cols);
    };
    grads.first = {part(0, d_ff, d_model), gated ? part(d_ff, d_ff, d_model) : View{},
                   part(rows - d_model, d_model, d_ff)};
    grads.stride = rows * all.row_stride;
  }
  void prepare(Context& ctx) {
    for (FfnWeights& w : weights) {
      prepare_weight(ctx, w.wi);
      if (w.wi_1) prepare_weight(ctx, *w.wi_1);
      prepare_weight(ctx, w.wo);
    }
    table = make_expert_table(ctx, weights);
  }
  reference::FeedForward<double> values(const Machine& m, std::int64_t e) const {
    const FfnWeights& w = weights[static_cast<std::size_t>(e)];
    return {m.reals(w.wi.value), w.wi_1 ? m.reals(w.wi_1->value) : Reals(), m.reals(w.wo.value)};
  }
  reference::FeedForward<double> gradients(const Machine& m, std::int64_t e) const {
    const FfnGrads g = grads.of(e);
    return {m.reals(g.wi), m.reals(g.wi_1), m.reals(g.wo)};
  }

  std::vector<FfnWeights> weights;
  std::shared_ptr<const ExpertTable> table;
  ExpertGrads grads;
};

TEST_CASE("experts and their backward") {
  Machine m = any_machine();
  const bool gated = GENERATE(false, true), limited = GENERATE(false, true);
  // One expert that most tokens choose, and several that none chooses.
  const std::int64_t popular = GENERATE(-1, 2);
  CAPTURE(gated, limited, popular);
  const std::int64_t num_experts = 5, d_model = 12, d_ff = 35, tokens = 330;
  const Ragged sequences = m.ragged({129, 1, 200});
  std::vector<float> host_logits;
  for (std::int64_t t = 0; t < tokens; ++t)
    for (std::int64_t e = 0; e < num_experts; ++e)
      host_logits.push_back(popular == e || e == t % 3 ? 3.0f + 0.1f * static_cast<float>(e)
                                                       : 0.0f);
  const View logits = m.output(tokens, num_experts);
  upload(*m.ctx, host_logits.data(), logits.size(), logits);
  Routing routing = make_routing(m, tokens, num_experts);
  route(*m.ctx, logits, limited ? Capacity{Capacity::kPerBatch, 150} : Capacity{}, sequences,
        routing);
  const IntMatrix offsets = m.whole_numbers(routing.expert_offsets);
  const IntMatrix token_of_slot = m.whole_numbers(routing.token_of_slot);

  Layer layer(m, num_experts, d_model, d_ff, gated);
  const ExpertCall call{layer.table.get(), 0, Activation::gelu_new, {0.3f, 11}, sequences.tags};
  const View x = m.normal(tokens, d_model), dy = m.normal(tokens, d_model);
  const View y = m.output(tokens, d_model), dx = m.output(tokens, d_model);
  FfnSaved saved{m.output(tokens, d_ff), gated ? m.output(tokens, d_ff) : View{}};
  std::vector<reference::FeedForward<double>> grads;
  for (std::int64_t e = 0; e < num_experts; ++e) grads.push_back(layer.gradients(m, e));

  experts(*m.ctx, call, routing, x, saved, y);
  experts_backward(*m.ctx, call, routing, {x, saved.hidden, saved.gate, dy}, dx, layer.grads);

  for (std::int64_t e = 0; e < num_experts; ++e) {
    CAPTURE(e);
    const auto i = static_cast<std::size_t>(e);
    const std::int64_t first = offsets[e], count = offsets[e + 1] - first;
    const auto rows = [&](View v) { return v.slice_rows(first, count); };
    if (count > 0) {
      IntMatrix slots(count, 1);
      for (std::int64_t s = 0; s < count; ++s) slots[s] = token_of_slot[first + s];
      const IntMatrix tags = reference::gather_rows(m.whole_numbers(sequences.tags), slots);
      reference::FeedForwardSaved<double> s;
      const auto w = layer.values(m, e);
      CHECK(m.differs(rows(y), reference::feed_forward(w, call.act, call.drop, tags,
                                                       m.reals(rows(x)), s)) == "");
      CHECK(m.differs(rows(dx), reference::feed_forward_backward(
                                    w, call.act, call.drop, tags, m.reals(rows(x)), s,
                                    m.reals(rows(dy)), grads[i])) == "");
    }
    const FfnGrads dw = layer.grads.of(e);
    CHECK(m.differs(dw.wi, grads[i].wi) == "");
    if (gated) CHECK(m.differs(dw.wi_1, grads[i].wi_1) == "");
    CHECK(m.differs(dw.wo, grads[i].wo) == "");
  }
}

TEST_CASE("one expert with more than a thousand tokens, in a range of experts") {
  const int threads = GENERATE(1, 2, 3);
  Machine m(threads, false);
  const std::int64_t tokens = 1500, d_model = 20, d_ff = 260;
  const Ragged sequences = m.ragged({1000, 500});
  std::vector<float> host_logits;
  for (std::int64_t t = 0; t < tokens; ++t)
    for (std::int64_t e = 0; e < 3; ++e) host_logits.push_back(e == (t < 10 ? 0 : 2) ? 1.0f : 0.0f);
  const View logits = m.output(tokens, 3);
  upload(*m.ctx, host_logits.data(), logits.size(), logits);
  Routing routing = make_routing(m, tokens, 3);
  route(*m.ctx, logits, {}, sequences, routing);

  Layer layer(m, 2, d_model, d_ff, false);  // experts 1 and 2
  const ExpertCall call{layer.table.get(), 1, Activation::relu, {}, sequences.tags};
  const View x = m.normal(tokens, d_model), dy = m.normal(tokens, d_model);
  const View y = m.filled(tokens, d_model, 0.5f), dx = m.output(tokens, d_model);
  FfnSaved saved{m.output(tokens, d_ff), {}};
  const Reals before = m.reals(layer.grads.first.wi);
  reference::FeedForward<double> grad = layer.gradients(m, 1);
  experts(*m.ctx, call, routing, x, saved, y);
  experts_backward(*m.ctx, call, routing, {x, saved.hidden, saved.gate, dy}, dx, layer.grads);

  const auto rows = [&](View v) { return v.slice_rows(10, tokens - 10); };
  reference::FeedForwardSaved<double> s;
  const auto w = layer.values(m, 1);
  CHECK(m.differs(y.slice_rows(0, 10), Reals(10, d_model, 0.5), 0) == "");
  CHECK(m.differs(rows(y), reference::feed_forward(w, call.act, {}, IntMatrix(), m.reals(rows(x)),
                                                   s)) == "");
  CHECK(m.differs(rows(dx),
                  reference::feed_forward_backward(w, call.act, {}, IntMatrix(), m.reals(rows(x)),
                                                   s, m.reals(rows(dy)), grad)) == "");
  const FfnGrads dw = layer.grads.of(1);
  CHECK(m.differs(layer.grads.first.wi, before, 0) == "");
  CHECK(m.differs(dw.wi, grad.wi) == "");
  CHECK(m.differs(dw.wo, grad.wo) == "");
}

// If slots are rounded up or tokens are dropped, many slots are never written by an expert.
TEST_CASE("slots without a token affect no result") {
  const DType type = GENERATE(DType::f32, DType::bf16);
  const bool row_invariant = GENERATE(false, true);
  const Capacity capacity =
      GENERATE(Capacity{Capacity::kPerBatch, 9}, Capacity{Capacity::kPerSequence, 1});
  CAPTURE(type == DType::bf16, row_invariant, capacity.rule);
  Machine m(2, false, row_invariant, type);
  const std::int64_t num_experts = 4, tokens = 130, d_model = 24, d_ff = 40;
  const std::int64_t slots = slot_count(*m.ctx, tokens, num_experts);
  Routing routing = make_routing(m, tokens, num_experts);
  routing.token_of_slot = m.int_output(slots, 1);
  route(*m.ctx, m.normal(tokens, num_experts), capacity, m.ragged({70, 60}), routing);
  REQUIRE(m.whole_numbers(routing.dropped)[0] > 0);

  Layer layer(m, num_experts, d_model, d_ff, false);
  layer.prepare(*m.ctx);
  const auto matrix = [&](std::int64_t cols, float value) {
    const View v = m.ctx->scratch.make(slots, cols, type);
    fill(*m.ctx, value, v);
    return v;
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const View x = matrix(d_model, 0), y = matrix(d_model, nan);
  const View sorted = m.filled(slots, d_model, 0);
  gather_rows(*m.ctx, m.normal(tokens, d_model), routing.token_of_slot, sorted);
  copy(*m.ctx, sorted, x);
  FfnSaved saved{matrix(d_ff, nan), {}};
  experts(*m.ctx, {layer.table.get(), 0, Activation::relu, {}, View{}}, routing, x, saved, y);

  const View combined = m.output(tokens, d_model);
  combine_rows(*m.ctx, y, routing, combined);
  const std::vector<double> values = m.reals(combined).values;
  CHECK(
      std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); }));
}

// A token's result does not depend on the other tokens, bit for bit.
TEST_CASE("experts in a row-invariant context") {
  const DType type = GENERATE(DType::f32, DType::bf16);
  const bool strided = type == DType::f32 && GENERATE(false, true);
  CAPTURE(type == DType::bf16, strided);
  const std::int64_t tokens = 150, d_model = 24, d_ff = 70;
  // Experts' outputs in token order, for batches of the tokens [first, first + count).
  struct Batch {
    std::int64_t first, count;
  };
  const auto run = [&](int threads, bool prepared, const std::vector<Batch>& batches) {
    Machine m(threads, strided, true, type);
    Layer layer(m, 2, d_model, d_ff, true);
    if (prepared) layer.prepare(*m.ctx);
    const ExpertCall call{layer.table.get(), 0, Activation::silu, {}, View{}};
    const View x = m.normal(tokens, d_model), logits = m.normal(tokens, 2);
    std::vector<double> all;
    for (const Batch& batch : batches) {
      Routing routing = make_routing(m, batch.count, 2);
      const std::int64_t slots = slot_count(*m.ctx, batch.count, 2);
      routing.token_of_slot = m.int_output(slots, 1);
      route(*m.ctx, logits.slice_rows(batch.first, batch.count), {},
            m.ragged({static_cast<std::int32_t>(batch.count)}), routing);
      const auto typed = [&](View v) {
        if (type == DType::f32) return v;
        const View y = m.ctx->scratch.make(v.rows, v.cols, type);
        copy(*m.ctx, v, y);
        return y;
      };
      const View x_typed = typed(x.slice_rows(batch.first, batch.count));
      const View in = typed(m.output(slots, d_model)), out = typed(m.output(slots, d_model));
      FfnSaved saved{typed(m.output(slots, d_ff)), typed(m.output(slots, d_ff))};
      gather_rows(*m.ctx, x_typed, routing.token_of_slot, in);
      experts(*m.ctx, call, routing, in, saved, out);
      const View y = typed(m.output(batch.count, d_model));
      combine_rows(*m.ctx, out, routing, y);
      const View y_f32 = m.output(batch.count, d_model);
      copy(*m.ctx, y, y_f32);
      for (const double value : m.reals(y_f32).values) all.push_back(value);
    }
    return all;
  };
  const std::vector<double> together = run(1, true, {{0, tokens}});
  for (const bool prepared : {false, true}) {
    if (!prepared && type == DType::bf16) continue;
    for (const int threads : {1, 2, 3}) {
      CAPTURE(prepared, threads);
      CHECK(run(threads, prepared, {{0, 1}, {1, 2}, {3, 147}}) == together);
    }
  }
}

}  // namespace
}  // namespace switchyard
