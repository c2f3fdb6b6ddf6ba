// SPDX-License-Identifier: Apache-2.0
// The loss over the vocabulary, what a search picks from logits, optimizers, and memory.
#include "tests/backend/machine.h"

namespace switchyard {
namespace {

TEST_CASE("linear and cross-entropy in one call") {
  Machine m = any_machine();
  // Rows of 512 logits have gaps between them.
  const std::int64_t tokens = GENERATE(1, 30, 600), vocab = GENERATE(1, 41, 512);
  const float smoothing = GENERATE(0.0f, 0.1f);
  const bool by_h = GENERATE(false, true), by_head = GENERATE(false, true);
  CAPTURE(tokens, vocab, smoothing, by_h, by_head);
  const View h = m.normal(tokens, 12), labels = m.indices(tokens, vocab);
  const Weight head{m.normal(vocab, 12), nullptr};
  const View sums = m.filled(1, 2, 2);
  const View dh = by_h ? m.output(tokens, 12) : View{};
  const View dhead = by_head ? m.normal(vocab, 12) : View{};
  const IntMatrix host_labels = m.whole_numbers(labels);
  Reals expected_sums = m.reals(sums), grad_head = m.reals(dhead);

  const Reals logits = reference::linear(m.reals(h), m.reals(head.value));
  for (std::int64_t t = 0; t < tokens; ++t) {
    const auto [loss, nll] = reference::cross_entropy(logits, t, host_labels[t], smoothing);
    expected_sums[0] += loss;
    expected_sums[1] += nll;
  }
  Reals grad = reference::cross_entropy_backward(logits, host_labels, smoothing);
  for (double& value : grad.values) value *= 0.25;

  linear_cross_entropy(*m.ctx, {h, &head, labels, smoothing, 0.25f}, sums, {dh, dhead});
  CHECK(m.differs(sums, expected_sums) == "");
  // With a vocabulary of one the gradient is 0, up to the f32 rounding of terms near 1.
  const double rtol = vocab == 1 ? 1 : kRtol;
  if (by_h)
    CHECK(m.differs(dh, reference::linear_backward_input(grad, m.reals(head.value)), rtol) == "");
  if (!by_head) return;
  reference::linear_backward_weight(m.reals(h), grad, grad_head);
  CHECK(m.differs(dhead, grad_head, rtol) == "");
}

TEST_CASE("the best id of each row") {
  Machine m = any_machine();
  const std::int64_t rows = GENERATE(1, 9), vocab = GENERATE(2, 50, 3001);
  const std::int32_t suppressed = GENERATE(-1, 1);
  const View logits = m.normal(rows, vocab), token = m.int_output(rows, 1);
  const View log_prob = m.output(rows, 1);
  const Reals host = m.reals(logits);
  IntMatrix best(rows, 1);
  Reals value(rows, 1);
  for (std::int64_t r = 0; r < rows; ++r) {
    best[r] = static_cast<std::int32_t>(reference::argmax(host, r, suppressed));
    value[r] = host(r, best[r]) - reference::log_sum_exp(host, r);
  }
  argmax_rows(*m.ctx, logits, suppressed, token, log_prob);
  CHECK(m.whole_numbers(token).values == best.values);
  CHECK(m.differs(log_prob, value) == "");
  argmax_rows(*m.ctx, logits, suppressed, token, View{});
  CHECK(m.whole_numbers(token).values == best.values);
}

TEST_CASE("the best hypotheses of each group of beams") {
  Machine m = any_machine();
  const std::int64_t beams = GENERATE(1, 4), vocab = GENERATE(8, 300);
  const std::int32_t suppressed = GENERATE(-1, 2);
  const std::int64_t groups = 3, k = 2 * beams - 1;
  const View logits = m.normal(groups * beams, vocab), score = m.normal(groups * beams, 1);
  const View values = m.output(groups, k), index = m.int_output(groups, k);
  top_k_rows(*m.ctx, logits, score, {beams, k, suppressed}, values, index);
  Reals expected(groups, k);
  IntMatrix expected_index(groups, k);
  for (std::int64_t g = 0; g < groups; ++g) {
    const auto best =
        reference::top_k(m.reals(logits), m.reals(score), g * beams, beams, k, suppressed);
    for (std::int64_t i = 0; i < k; ++i) {
      expected(g, i) = best[static_cast<std::size_t>(i)].value;
      expected_index(g, i) = static_cast<std::int32_t>(best[static_cast<std::size_t>(i)].index);
    }
  }
  CHECK(m.whole_numbers(index).values == expected_index.values);
  CHECK(m.differs(values, expected) == "");
}

TEST_CASE("sum of squares") {
  Machine m = any_machine();
  const View x = m.flat(GENERATE(1, 1000, 70001)), out = m.output(1, 1);
  sum_of_squares(*m.ctx, x, out);
  CHECK(m.differs(out, Reals(1, 1, reference::sum_of_squares(m.reals(x)))) == "");
  std::vector<float> values(static_cast<std::size_t>(x.size()), 1);
  values.back() = std::numeric_limits<float>::infinity();
  upload(*m.ctx, values.data(), x.size(), x);
  sum_of_squares(*m.ctx, x, out);
  CHECK(!std::isfinite(m.reals(out)[0]));
}

TEST_CASE("an update is made, clipped or skipped as the norm and the loss say") {
  Machine m(1, GENERATE(false, true));
  const UpdateRule rule{2, 10, 0.001f};
  const auto decide = [&](const UpdateRule& by, const Reals& squares, const Reals& losses) {
    const auto place = [&](const Reals& values) {
      const View v = m.output(values.rows, values.cols);
      const std::vector<float> host(values.values.begin(), values.values.end());
      upload(*m.ctx, host.data(), v.size(), v);
      return v;
    };
    const View decision = m.output(1, kDecisionSize);
    decide_update(*m.ctx, by, place(squares), place(losses), decision);
    const bool finite = std::isfinite(squares.values[0] + losses.values[0]);
    if (finite) CHECK(m.differs(decision, reference::decide_update(by, squares, losses)) == "");
    return m.reals(decision).values;
  };
  using Values = std::vector<double>;
  const Reals losses(2, 1, {30, 40});
  // Parts of the gradient and of the loss add up.
  CHECK(decide(rule, Reals(2, 3, {4, 4, 4, 4, 0, 0}), losses) == Values{4, 0.5, 1});
  CHECK(decide(rule, Reals(1, 1, {2.25}), losses) == Values{1.5, 1, 1});
  CHECK(decide({0, 10, 0.001f}, Reals(1, 1, {16}), losses) == Values{4, 1, 1});  // no clipping
  // Nothing comes back from a loss: only a text learned by heart has none.
  CHECK(decide(rule, Reals(1, 2, {0, 0}), losses) == Values{0, 1, 0});
  CHECK(decide(rule, Reals(1, 2, {0, 0}), Reals(1, 1, {0.005})) == Values{0, 1, 1});
  for (const double bad : {double{std::numeric_limits<float>::infinity()}, std::nan("")}) {
    CAPTURE(bad);
    CHECK(decide(rule, Reals(1, 2, {bad, 1}), losses)[kUpdated] == 0);
    CHECK(decide(rule, Reals(1, 2, {1, 1}), Reals(2, 1, {bad, 1}))[kUpdated] == 0);
  }
  // Of a sum of squares beyond f32 the norm is not.
  CHECK(decide(rule, Reals(1, 2, {3e38, 3e38}), losses)[kUpdated] == 1);
}

TEST_CASE("AdamW") {
  Machine m = any_machine();
  const std::int64_t n = GENERATE(1, 1003, 70000);
  AdamW options{0.01f, 0.9f, 0.98f, 1e-8f, 0.1f};
  // Two parameters of different sizes in one call.
  std::vector<AdamWParam> params;
  std::vector<Reals> first, second, p;
  for (const std::int64_t size : {n, std::int64_t{7}}) {
    params.push_back({m.flat(size), m.flat(size), m.flat(size), m.flat(size)});
    fill(*m.ctx, 0, params.back().m);
    fill(*m.ctx, 0, params.back().v);
    first.push_back(Reals(1, size));
    second.push_back(Reals(1, size));
    p.push_back(m.reals(params.back().value));
  }
  const auto plan = plan_adamw(*m.ctx, params);
  for (options.step = 1; options.step <= 4; ++options.step) {
    // Clipped, then as it is, then not used.
    const float grad_scale = options.step < 3 ? 0.5f : 1;
    const bool updated = options.step != 4;
    for (std::size_t i = 0; updated && i < params.size(); ++i) {
      const Reals g = m.reals(params[i].grad);
      for (std::int64_t j = 0; j < g.cols; ++j)
        reference::adamw(options, grad_scale * g[j], first[i][j], second[i][j], p[i][j]);
    }
    adamw(*m.ctx, options, *plan, options.step == 3 ? View{} : m.decision(grad_scale, updated));
    for (const AdamWParam& param : params) {
      CHECK(m.differs(param.grad, Reals(1, param.grad.cols)) == "");
      copy(*m.ctx, param.v, param.grad);  // the next one
    }
  }
  for (std::size_t i = 0; i < params.size(); ++i) {
    CHECK(m.differs(params[i].value, p[i]) == "");
    CHECK(m.differs(params[i].m, first[i]) == "");
    CHECK(m.differs(params[i].v, second[i]) == "");
  }
}

TEST_CASE("the running average, but for skipped steps") {
  Machine m = any_machine();
  const std::int64_t n = GENERATE(1, 1003, 70000);
  const View x = m.flat(n), average = m.flat(n);
  const Reals from = m.reals(x);
  Reals expected = m.reals(average);
  update_average(*m.ctx, 0.25f, x, m.decision(1, false), average);
  CHECK(m.differs(average, expected, 0) == "");
  for (const bool decided : {false, true}) {
    for (std::size_t i = 0; i < expected.values.size(); ++i)
      expected.values[i] += 0.25 * (from.values[i] - expected.values[i]);
    update_average(*m.ctx, 0.25f, x, decided ? m.decision(1, true) : View{}, average);
    CHECK(m.differs(average, expected) == "");
  }
}

TEST_CASE("as many workers as threads, in training at most 4, with as many threads each") {
  if (backend_description() == "scalar reference") return;  // which has one thread
  const std::vector<int> expected = {1, 2, 3, 4, 1, 3, 1, 4, 3};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const Defaults defaults = backend_defaults(static_cast<int>(i) + 1);
    CHECK(defaults.training_workers == expected[i]);
    CHECK(defaults.translation_workers == static_cast<int>(i) + 1);
  }
  CHECK(backend_defaults(64).training_workers == 4);
}

TEST_CASE("memory is aligned and zero, whatever its size") {
  const auto ctx = make_context({});
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{4096}, std::size_t{5} << 20}) {
    const Tensor t(*ctx, 1, static_cast<std::int64_t>(bytes), DType::i8);
    CHECK(reinterpret_cast<std::uintptr_t>(t.view().data) % 64 == 0);
    View v = t.view();
    v.dtype = DType::i32;
    v.cols = v.row_stride = static_cast<std::int64_t>(t.bytes() / 4);
    std::vector<std::int32_t> host(static_cast<std::size_t>(v.cols), 1);
    download(*ctx, v, host.data(), v.size());
    CHECK(host == std::vector<std::int32_t>(host.size(), 0));
  }
}

TEST_CASE("a repeated operation allocates no memory") {
  Machine m = any_machine();
  const Weight head{m.normal(50, 16), nullptr};
  const View h = m.normal(700, 16), labels = m.indices(700, 50), sums = m.filled(1, 2, 0);
  const View dh = m.output(700, 16), dhead = m.normal(50, 16);
  const auto run = [&] {
    linear_cross_entropy(*m.ctx, {h, &head, labels}, sums, {dh, dhead});
    return std::pair(m.ctx->scratch.grown_bytes(), m.ctx->counts.compiled);
  };
  const auto first = run();
  CHECK(run() == first);
  CHECK(backend_description() != "");
}

}  // namespace
}  // namespace switchyard
