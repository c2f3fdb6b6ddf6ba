// SPDX-License-Identifier: Apache-2.0
// Tests the oracle itself: each backward against the complex step of its forward. The
// differentiated function is the sum of an operation's outputs, weighted with random numbers.
#include <string>

#include "src/core/rng.h"
#include "tests/reference/ops.h"
#include "tests/support/catch.h"
#include "tests/support/close.h"
#include "tests/support/grad_check.h"

namespace switchyard::reference {
namespace {

using Complex = std::complex<double>;
using Reals = Matrix<Complex>;

constexpr double kRtol = 1e-12;  // rounding in double; the complex step has no other error

Reals random(std::int64_t rows, std::int64_t cols, std::uint64_t seed) {
  Rng rng(seed);
  Reals m(rows, cols);
  for (Complex& value : m.values) value = rng.normal();
  return m;
}

Complex dot(const Reals& a, const Reals& b) {
  Complex sum = 0;
  for (std::size_t i = 0; i < a.values.size(); ++i) sum += a.values[i] * b.values[i];
  return sum;
}

std::vector<double> real_parts(const Reals& m) {
  std::vector<double> values;
  for (const Complex& value : m.values) values.push_back(value.real());
  return values;
}

// The gradient of loss() w.r.t. m.
template <class F>
std::vector<double> exact(Reals& m, F&& loss) {
  return complex_step_gradient(m.values, loss);
}

Sequences sequences(std::vector<std::int32_t> offsets) {
  Sequences s{std::move(offsets), {}};
  s.tags = IntMatrix(s.tokens(), 2);
  for (std::int64_t b = 0; b < s.batch(); ++b)
    for (std::int64_t t = s.begin(b); t < s.end(b); ++t) {
      s.tags(t, 0) = static_cast<std::int32_t>(100 + b);
      s.tags(t, 1) = static_cast<std::int32_t>(t - s.begin(b));
    }
  return s;
}

const Dropout kDrop{0.3f, stream_key(1, 2, 3)};

TEST_CASE("reference: linear and bias backward") {
  Reals x = random(4, 3, 1), w = random(5, 3, 2), bias = random(1, 5, 3);
  const Reals dy = random(4, 5, 4);
  const auto loss = [&] {
    Reals y = linear(x, w);
    add_bias(bias, y);
    return dot(y, dy);
  };
  Reals dw(5, 3), dbias(1, 5);
  linear_backward_weight(x, dy, dw);
  bias_backward(dy, dbias);
  CHECK(close(real_parts(linear_backward_input(dy, w)), exact(x, loss), kRtol, 0) == "");
  CHECK(close(real_parts(dw), exact(w, loss), kRtol, 0) == "");
  CHECK(close(real_parts(dbias), exact(bias, loss), kRtol, 0) == "");
}

TEST_CASE("reference: embed and dropout backward") {
  Reals table = random(5, 6, 1);
  const IntMatrix ids(4, 1, {3, 0, 3, 4});
  const Sequences s = sequences({0, 4});
  const Reals dy = random(4, 6, 2);
  const auto loss = [&] { return dot(dropout(kDrop, s.tags, embed(table, ids)), dy); };
  Reals grad_table(5, 6);
  embed_backward(ids, dropout(kDrop, s.tags, dy), grad_table);
  CHECK(close(real_parts(grad_table), exact(table, loss), kRtol, 0) == "");
}

TEST_CASE("reference: rms_norm backward") {
  Reals x = random(3, 5, 1), weight = random(1, 5, 2), inv_rms;
  const Reals dy = random(3, 5, 3);
  const auto loss = [&] {
    Reals inverse;
    return dot(rms_norm(x, weight, 1e-6, inverse), dy);
  };
  rms_norm(x, weight, 1e-6, inv_rms);
  Reals dx(3, 5), dweight(1, 5);
  rms_norm_backward(x, weight, inv_rms, dy, dx, dweight);
  CHECK(close(real_parts(dx), exact(x, loss), kRtol, 0) == "");
  CHECK(close(real_parts(dweight), exact(weight, loss), kRtol, 0) == "");
}

TEST_CASE("reference: feed-forward backward, every activation, gated and not") {
  const auto act =
      GENERATE(Activation::relu, Activation::gelu, Activation::gelu_new, Activation::silu);
  const bool gated = GENERATE(false, true);
  CAPTURE(static_cast<int>(act), gated);
  FeedForward<Complex> w{random(6, 4, 1), gated ? random(6, 4, 2) : Reals(), random(4, 6, 3)};
  Reals x = random(5, 4, 4);
  const Reals dy = random(5, 4, 5);
  const Sequences s = sequences({0, 2, 5});
  FeedForwardSaved<Complex> saved;
  const auto loss = [&] { return dot(feed_forward(w, act, kDrop, s.tags, x, saved), dy); };
  loss();
  FeedForward<Complex> dw{Reals(6, 4), Reals(gated ? 6 : 0, 4), Reals(4, 6)};
  const Reals dx = feed_forward_backward(w, act, kDrop, s.tags, x, saved, dy, dw);
  CHECK(close(real_parts(dx), exact(x, loss), kRtol, 0) == "");
  CHECK(close(real_parts(dw.wi), exact(w.wi, loss), kRtol, 0) == "");
  CHECK(close(real_parts(dw.wo), exact(w.wo, loss), kRtol, 0) == "");
  if (gated) CHECK(close(real_parts(dw.wi_1), exact(w.wi_1, loss), kRtol, 0) == "");
}

TEST_CASE("reference: activations at known points") {
  // From the definitions, to 10 digits; for large negative x the limit is 0.
  CHECK(
      close(std::vector<double>{activate(Activation::gelu, 1.0), activate(Activation::gelu, -40.0)},
            std::vector<double>{0.8413447461, 0}, 1e-10, 0) == "");
  CHECK(close(std::vector<double>{activate(Activation::gelu_new, 1.0)},
              std::vector<double>{0.8411919906}, 1e-10, 0) == "");
  CHECK(close(std::vector<double>{activate(Activation::silu, 1.0),
                                  activate(Activation::silu, -800.0)},
              std::vector<double>{0.7310585786, 0}, 1e-10, 0) == "");
}

TEST_CASE("reference: router, losses and combine backward") {
  const auto rule = GENERATE(Capacity::kUnlimited, Capacity::kPerBatch, Capacity::kPerSequence);
  const Capacity capacity{rule, 2};
  const Sequences s = sequences({0, 5, 9});
  Reals logits = random(9, 3, 1), expert_out = random(9, 4, 2);
  const Reals dy = random(9, 4, 3);
  const auto loss = [&] {
    const auto r = route(logits, capacity, s);
    const auto losses = router_losses(r);
    return dot(combine_rows(expert_out, r), dy) + 0.7 * losses.balance + 0.3 * losses.z;
  };
  const auto r = route(logits, capacity, s);
  Reals grad_out, grad_weight;
  combine_rows_backward(dy, expert_out, r, grad_out, grad_weight);
  CHECK(close(real_parts(grad_out), exact(expert_out, loss), kRtol, 0) == "");
  CHECK(close(real_parts(router_backward(r, grad_weight, 0.7, 0.3)), exact(logits, loss), kRtol,
              0) == "");
}

TEST_CASE("reference: route keeps the first tokens of each expert, sorted by expert") {
  // One expert's logit is 1, the others' are 0: tokens choose 1 1 0 1 | 1 0 1.
  const std::vector<std::int32_t> chosen = {1, 1, 0, 1, 1, 0, 1};
  Matrix<double> logits(7, 3);
  for (std::int64_t t = 0; t < 7; ++t) logits(t, chosen[static_cast<std::size_t>(t)]) = 1;
  const Sequences s = sequences({0, 4, 7});
  using Ints = std::vector<std::int32_t>;

  const auto all = route(logits, {}, s);
  CHECK(all.slot_of_token.values == Ints{2, 3, 0, 4, 5, 1, 6});
  CHECK(all.expert_offsets.values == Ints{0, 2, 7, 7});
  CHECK(all.expert_count.values == Ints{2, 5, 0});

  const auto batch = route(logits, {Capacity::kPerBatch, 2}, s);
  CHECK(batch.slot_of_token.values == Ints{2, 3, 0, -1, -1, 1, -1});
  CHECK(batch.token_of_slot.values == Ints{2, 5, 0, 1, -1, -1, -1});
  CHECK(batch.expert_count.values == Ints{2, 5, 0});

  const auto sequence = route(logits, {Capacity::kPerSequence, 1}, s);
  CHECK(sequence.slot_of_token.values == Ints{2, -1, 0, -1, 3, 1, -1});

  // With equal logits, the lowest index wins.
  CHECK(route(Matrix<double>(7, 3), {}, s).expert_count.values == Ints{7, 0, 0});
}

TEST_CASE("reference: attention backward") {
  const bool causal = GENERATE(false, true);
  CAPTURE(causal);
  const Sequences queries = sequences({0, 2, 5});
  const Sequences keys = causal ? queries : sequences({0, 4, 7});
  AttentionSpec<Complex> spec{2, 3, causal, random(2, 7, 1), 3, kDrop};
  Reals q = random(5, 6, 2), k = random(keys.tokens(), 6, 3), v = random(keys.tokens(), 6, 4);
  const Reals dout = random(5, 6, 5);
  const auto loss = [&] {
    Reals logsumexp;
    return dot(attention(spec, queries, keys, q, k, v, logsumexp), dout);
  };
  const auto grads = attention_backward(spec, queries, keys, q, k, v, dout);
  CHECK(close(real_parts(grads.dq), exact(q, loss), kRtol, 0) == "");
  CHECK(close(real_parts(grads.dk), exact(k, loss), kRtol, 0) == "");
  CHECK(close(real_parts(grads.dv), exact(v, loss), kRtol, 0) == "");
  CHECK(close(real_parts(grads.grad_bias), exact(spec.bias, loss), kRtol, 0) == "");
}

TEST_CASE("reference: position table and cross-entropy backward") {
  Reals table = random(3, 2, 1), logits = random(4, 5, 2);
  const IntMatrix bucket(1, 4, {2, 0, 2, 1}), labels(4, 1, {0, 4, 2, 2});
  const Reals grad_bias = random(2, 4, 3);
  Reals grad_table(3, 2);
  expand_bias_backward(grad_bias, bucket, grad_table);
  const auto by_bias = [&] { return dot(expand_bias(table, bucket), grad_bias); };
  CHECK(close(real_parts(grad_table), exact(table, by_bias), kRtol, 0) == "");

  const auto loss = [&] {
    Complex sum = 0;
    for (std::int64_t t = 0; t < 4; ++t) sum += cross_entropy(logits, t, labels[t], 0.1).loss;
    return sum;
  };
  CHECK(close(real_parts(cross_entropy_backward(logits, labels, 0.1)), exact(logits, loss), kRtol,
              0) == "");
}

}  // namespace
}  // namespace switchyard::reference
