// SPDX-License-Identifier: Apache-2.0
// Operations in bfloat16. A matmul of small integers is exact, so every implementation must match
// the reference bit for bit, after one rounding if the result is bf16.
#include "tests/backend/bf16_machine.h"

namespace switchyard {
namespace {

Reals sum(Reals a, const Reals& b) {
  for (std::size_t i = 0; i < a.values.size(); ++i) a.values[i] += b.values[i];
  return a;
}

TEST_CASE("linear and its backward in bfloat16") {
  struct Sizes {
    int threads;
    std::int64_t tokens, in, out;
  };
  std::vector<Sizes> all;
  for (const int threads : {1, 3})
    for (const std::int64_t tokens : {1, 16, 63, 65, 300})
      for (const std::int64_t in : {7, 64, 130})
        for (const std::int64_t out : {5, 96, 512}) all.push_back({threads, tokens, in, out});
  // More tokens than one matmul sums over; an x so wide that gradients use large stripes.
  all.push_back({1, 1100, 20, 70});
  all.push_back({3, 1100, 20, 70});
  all.push_back({1, 40, 1030, 600});
  const auto [threads, tokens, in, out] = GENERATE_COPY(from_range(all));
  CAPTURE(threads, tokens, in, out);
  Bf16Machine m(threads);
  const Reals x = m.whole(tokens, in), w = m.whole(out, in), dy = m.whole(tokens, out);
  const Reals before_dx = m.whole(tokens, in), before_dw = m.whole(out, in);
  Weight weight{m.place(w, DType::f32), nullptr};
  prepare_weight(*m.ctx, weight);
  const View x_view = m.place(x, DType::bf16), dy_view = m.place(dy, DType::bf16);

  for (const DType type : {DType::f32, DType::bf16}) {
    const View y = m.place(m.whole(tokens, out), type);
    linear(*m.ctx, x_view, weight, y);
    CHECK(m.values(y) == rounded(reference::linear(x, w), type));
    const View dx = m.place(before_dx, type);
    linear_backward_input(*m.ctx, dy_view, weight, dx);
    CHECK(m.values(dx) == rounded(reference::linear_backward_input(dy, w), type));
  }
  const View dx = m.place(before_dx, DType::f32), dw = m.place(before_dw, DType::f32);
  linear_backward_input_add(*m.ctx, dy_view, weight, dx);
  linear_backward_weight(*m.ctx, x_view, weight, dy_view, dw);
  CHECK(m.values(dx) == sum(before_dx, reference::linear_backward_input(dy, w)).values);
  Reals expected_dw = before_dw;
  reference::linear_backward_weight(x, dy, expected_dw);
  CHECK(m.values(dw) == expected_dw.values);
}

// |a - b| / |b|
double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    size += b[i] * b[i];
  }
  return std::sqrt(difference / size);
}

TEST_CASE("head and cross-entropy in bfloat16") {
  const int threads = GENERATE(1, 3);
  const std::int64_t tokens = GENERATE(1, 30, 600), vocab = GENERATE(5, 512, 1101);
  const bool by_h = GENERATE(false, true), by_head = GENERATE(false, true);
  CAPTURE(threads, tokens, vocab, by_h, by_head);
  Bf16Machine m(threads);
  Reals h = m.whole(tokens, 24), w = m.whole(vocab, 24);
  for (double& x : h.values) x /= 8;  // logits of a few units
  const Reals before_dhead = m.whole(vocab, 24);
  IntMatrix labels(tokens, 1);
  for (std::int64_t t = 0; t < tokens; ++t) labels[t] = static_cast<std::int32_t>(t * 7 % vocab);

  const Reals logits = reference::linear(h, w);
  Reals grad = reference::cross_entropy_backward(logits, labels, 0.1);
  for (double& x : grad.values) x *= 0.25;
  Reals grad_head(vocab, 24);
  reference::linear_backward_weight(h, grad, grad_head);
  double loss = 0;
  for (std::int64_t t = 0; t < tokens; ++t)
    loss += reference::cross_entropy(logits, t, labels[t], 0.1).loss;

  Weight head{m.place(w, DType::f32), nullptr};
  head.role = WeightRole::head;
  prepare_weight(*m.ctx, head);
  const View ids = m.ctx->scratch.make(tokens, 1, DType::i32);
  upload(*m.ctx, labels.values.data(), tokens, ids);
  const View sums = m.place(Reals(1, 2), DType::f32);
  const View dh = by_h ? m.place(m.whole(tokens, 24), DType::f32) : View{};
  const View dhead = by_head ? m.place(before_dhead, DType::f32) : View{};
  const CrossEntropyCall call{m.place(h, DType::bf16), &head, ids, 0.1f, 0.25f};
  linear_cross_entropy(*m.ctx, call, sums, {dh, dhead});
  CHECK(std::abs(m.values(sums)[0] / loss - 1) < 1e-5);
  // Logits are exact; their gradient is rounded to bfloat16.
  if (by_h) CHECK(distance(m.values(dh), reference::linear_backward_input(grad, w).values) < 0.004);
  if (!by_head) return;
  std::vector<double> added = m.values(dhead);
  for (std::size_t i = 0; i < added.size(); ++i) added[i] -= before_dhead.values[i];
  CHECK(distance(added, grad_head.values) < 0.004);
}

TEST_CASE("in a row-invariant context a row has the same bits in every batch, in bfloat16 too") {
  const std::int64_t tokens = 100, in = GENERATE(24, 512), out = GENERATE(70, 1100);
  CAPTURE(in, out);
  // Two matmuls' outputs, in batches of `rows` rows.
  const auto run = [&](int threads, std::int64_t rows) {
    Machine m(threads, false, true, DType::bf16);
    Weight w{m.normal(out, in), nullptr}, head{m.normal(out, in), nullptr};
    head.role = WeightRole::head;
    for (Weight* weight : {&w, &head}) prepare_weight(*m.ctx, *weight);
    const View x_f32 = m.normal(tokens, in);
    const View x = m.ctx->scratch.make(tokens, in, DType::bf16);
    copy(*m.ctx, x_f32, x);
    std::pair<std::vector<double>, std::vector<double>> results;
    for (std::int64_t first = 0; first < tokens; first += rows) {
      const std::int64_t count = std::min(rows, tokens - first);
      const View part = x.slice_rows(first, count);
      const View y = m.output(count, out), logits = m.output(count, out);
      linear(*m.ctx, part, w, y);
      linear(*m.ctx, part, head, logits);
      for (const double value : m.reals(y).values) results.first.push_back(value);
      for (const double value : m.reals(logits).values) results.second.push_back(value);
    }
    return results;
  };
  const auto together = run(1, tokens);
  for (const int threads : {1, 3})
    for (const std::int64_t rows : {1, 3, 16, 17, 64, 100}) {
      CAPTURE(threads, rows);
      CHECK(run(threads, rows) == together);
    }
}

TEST_CASE("a step of attention in bfloat16 is that of the rounded values") {
  const std::int64_t d_kv = GENERATE(3, 16, 64);
  Bf16Machine m(2);
  AttentionCall call;
  call.num_heads = 2;
  call.d_kv = d_kv;
  const std::int64_t inner = 2 * d_kv;
  const auto small = [&](std::int64_t rows) {  // so that the softmax is not one-hot
    Reals x = m.whole(rows, inner);
    for (double& value : x.values) value /= 16;
    return x;
  };
  const Reals q = small(3), k = small(20), v = m.whole(20, inner);
  const auto ints = [&](const std::vector<std::int32_t>& values, std::int64_t rows) {
    const View view = m.ctx->scratch.make(rows, std::ssize(values) / rows, DType::i32);
    upload(*m.ctx, values.data(), view.size(), view);
    return view;
  };
  const std::vector<std::int32_t> listed = {3, 2, 1, 19, 7, 7 + 1}, first = {0, 1, 2},
                                  count = {1, 5, 4};
  const CachedKeys keys{m.place(k, DType::bf16), m.place(v, DType::bf16), ints(listed, 1),
                        ints(first, 3), ints(count, 3)};
  const View out = m.place(m.whole(3, inner), DType::bf16);
  attention_step(*m.ctx, call, m.place(q, DType::bf16), keys, out);
  const auto matrix = [](const std::vector<std::int32_t>& values, std::int64_t rows) {
    reference::IntMatrix result(rows, std::ssize(values) / rows);
    result.values = values;
    return result;
  };
  reference::AttentionSpec<double> spec;
  spec.num_heads = call.num_heads;
  spec.d_kv = call.d_kv;
  spec.drop = call.drop;
  const Reals expected = reference::attention_step(
      spec, q, k, v, {matrix(listed, 1), matrix(first, 3), matrix(count, 3)});
  CHECK(close(m.values(out), expected.values, 0.005, 1e-6) == "");

  // Rows of a pool whose rows hold more than this.
  const View wide = m.place(m.whole(5, 3 * inner), DType::bf16),
             part = wide.slice_cols(inner, inner);
  std::vector<double> expected_pool = m.values(wide);
  scatter_rows(*m.ctx, m.place(q, DType::bf16), ints({4, 0, 2}, 3), part);
  const std::vector<double> rows = rounded(q, DType::bf16);
  const std::int64_t to[] = {4, 0, 2};
  for (std::int64_t r = 0; r < 3; ++r)
    std::copy_n(rows.begin() + r * inner, inner, expected_pool.begin() + to[r] * 3 * inner + inner);
  CHECK(m.values(wide) == expected_pool);
}

// A backend may leave rows of zeros between the experts' rows.
TEST_CASE("experts in bfloat16") {
  const int threads = GENERATE(1, 3);
  const bool gated = GENERATE(false, true);
  // 1,100 tokens for one expert: all threads share the gradients of its weights.
  const std::int64_t num_experts = GENERATE(1, 5), num_tokens = GENERATE(9, 90, 1100);
  CAPTURE(threads, gated, num_experts, num_tokens);
  constexpr std::int64_t d_model = 40, d_ff = 70;
  Bf16Machine m(threads);
  Context& ctx = *m.ctx;
  const std::int64_t slots = slot_count(ctx, num_tokens, num_experts);
  Routing routing;
  const View logits = m.place(m.whole(num_tokens, num_experts), DType::f32);
  routing.probs = ctx.scratch.make(num_tokens, num_experts);
  routing.logsumexp = ctx.scratch.make(num_tokens, 1);
  routing.expert_index = ctx.scratch.make(num_tokens, 1, DType::i32);
  routing.combine_weight = ctx.scratch.make(num_tokens, 1);
  routing.slot_of_token = ctx.scratch.make(num_tokens, 1, DType::i32);
  routing.token_of_slot = ctx.scratch.make(slots, 1, DType::i32);
  routing.expert_offsets = ctx.scratch.make_row(num_experts + 1, DType::i32);
  routing.expert_count = ctx.scratch.make_row(num_experts, DType::i32);
  routing.dropped = ctx.scratch.make_row(1, DType::i32);
  route(ctx, logits, {}, {}, routing);

  std::vector<Reals> w;
  std::vector<Weight> weights;
  std::vector<Reals> expected;
  std::vector<View> grads;
  const std::int64_t matrices = gated ? 3 : 2;
  const View flat_grads = ctx.scratch.make_row(num_experts * matrices * d_ff * d_model);
  for (std::int64_t e = 0; e < num_experts * matrices; ++e) {
    const bool is_wo = e % matrices == matrices - 1;
    w.push_back(is_wo ? m.whole(d_model, d_ff) : m.whole(d_ff, d_model));
    weights.push_back({m.place(w.back(), DType::f32), nullptr});
    prepare_weight(ctx, weights.back());
    expected.push_back(is_wo ? m.whole(d_model, d_ff) : m.whole(d_ff, d_model));
    View grad = flat_grads.slice_cols(e * d_ff * d_model, d_ff * d_model);
    grad.rows = grad.row_capacity = expected.back().rows;
    grad.cols = grad.row_stride = expected.back().cols;
    copy(ctx, m.place(expected.back(), DType::f32), grad);
    grads.push_back(grad);
  }
  const auto wo_of = [&](std::size_t e) { return e + std::size_t(matrices) - 1; };
  std::vector<FfnWeights> ffn;
  for (std::size_t e = 0; e < weights.size(); e += std::size_t(matrices)) {
    ffn.push_back({weights[e], {}, weights[wo_of(e)]});
    if (gated) ffn.back().wi_1 = weights[e + 1];
  }
  const auto table = make_expert_table(ctx, ffn);
  const ExpertGrads ffn_grads{{grads[0], gated ? grads[1] : View{}, grads[wo_of(0)]},
                              matrices * d_ff * d_model};
  ExpertCall call;
  call.experts = table.get();

  const Reals x = m.whole(num_tokens, d_model), dy = m.whole(num_tokens, d_model);
  const auto by_slot = [&](const Reals& rows) {
    const View sorted = ctx.scratch.make(slots, d_model, DType::bf16);
    gather_rows(ctx, m.place(rows, DType::bf16), routing.token_of_slot, sorted);
    return sorted;
  };
  const auto make = [&](std::int64_t cols) { return ctx.scratch.make(slots, cols, DType::bf16); };
  FfnSaved saved{make(d_ff), gated ? make(d_ff) : View{}};
  const View expert_in = by_slot(x), expert_out = make(d_model), dx = make(d_model);
  experts(ctx, call, routing, expert_in, saved, expert_out);
  experts_backward(ctx, call, routing, {expert_in, saved.hidden, saved.gate, by_slot(dy)}, dx,
                   ffn_grads);

  // The same, token by token.
  std::vector<std::int32_t> index(static_cast<std::size_t>(num_tokens)), slot(index.size());
  download(ctx, routing.expert_index, index.data(), num_tokens);
  download(ctx, routing.slot_of_token, slot.data(), num_tokens);
  const std::vector<double> y = m.values(expert_out), grad_x = m.values(dx);
  for (std::int64_t t = 0; t < num_tokens; ++t) {
    CAPTURE(t);
    const auto first = static_cast<std::size_t>(index[std::size_t(t)] * matrices);
    const auto row = [&](const Reals& from) {
      Reals one(1, d_model);
      for (std::int64_t c = 0; c < d_model; ++c) one[c] = from(t, c);
      return one;
    };
    const reference::FeedForward<double> expert{w[first], gated ? w[first + 1] : Reals(),
                                                w[first + std::size_t(matrices) - 1]};
    reference::FeedForwardSaved<double> s;
    const Reals out = reference::feed_forward(expert, Activation::relu, {}, {}, row(x), s);
    reference::FeedForward<double> grad{expected[first], gated ? expected[first + 1] : Reals(),
                                        expected[first + std::size_t(matrices) - 1]};
    const Reals in = reference::feed_forward_backward(expert, Activation::relu, {}, {}, row(x), s,
                                                      row(dy), grad);
    expected[first] = grad.wi;
    if (gated) expected[first + 1] = grad.wi_1;
    expected[first + std::size_t(matrices) - 1] = grad.wo;
    const auto slice = [&](const std::vector<double>& all) {
      const auto begin = all.begin() + slot[std::size_t(t)] * d_model;
      return std::vector<double>(begin, begin + d_model);
    };
    // Intermediate values are rounded to 8 bits, too.
    CHECK(close(slice(y), out.values, 0.02, 1e-6) == "");
    CHECK(close(slice(grad_x), in.values, 0.02, 1e-6) == "");
  }
  for (std::size_t i = 0; i < grads.size(); ++i)
    CHECK(close(m.values(grads[i]), expected[i].values, 0.02, 1e-6) == "");
}

}  // namespace
}  // namespace switchyard
