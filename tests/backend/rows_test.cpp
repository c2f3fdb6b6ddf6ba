// SPDX-License-Identifier: Apache-2.0
// Operations on rows of tokens.
#include "tests/backend/machine.h"

namespace switchyard {
namespace {

Ragged some_tokens(Machine& m) { return m.ragged({5, 1, 30, 97}); }  // 133
constexpr std::int64_t kTokens = 133;

TEST_CASE("elementwise arithmetic") {
  Machine m = any_machine();
  const std::int64_t rows = GENERATE(1, 70), cols = GENERATE(1, 13, 700);
  const View x = m.normal(rows, cols), y = m.normal(rows, cols);
  Reals a = m.reals(x), b = m.reals(y);
  for (std::size_t i = 0; i < b.values.size(); ++i) b.values[i] += a.values[i];
  add(*m.ctx, x, y);
  CHECK(m.differs(y, b) == "");
  for (double& value : b.values) value *= 3;
  scale(*m.ctx, 3, y, y);
  CHECK(m.differs(y, b) == "");
  copy(*m.ctx, x, y);
  CHECK(m.differs(y, a, 0) == "");
  fill(*m.ctx, 2.5f, y);
  CHECK(m.differs(y, Reals(rows, cols, 2.5)) == "");
}

TEST_CASE("copy converts to bfloat16 and back") {
  Machine m = any_machine();
  const View x = m.normal(9, 21), back = m.output(9, 21);
  const Tensor half(*m.ctx, 9, 21, DType::bf16);
  copy(*m.ctx, x, half);
  copy(*m.ctx, half, back);
  Reals rounded = m.reals(x);
  for (double& value : rounded.values) value = bf16_to_f32(f32_to_bf16(static_cast<float>(value)));
  CHECK(m.differs(back, rounded, 0) == "");
}

TEST_CASE("embedding and its backward") {
  Machine m = any_machine();
  const std::int64_t cols = GENERATE(1, 12, 130);
  const View table = m.normal(11, cols), ids = m.indices(kTokens, 11);
  const View y = m.output(kTokens, cols), grad_table = m.normal(11, cols);
  embed(*m.ctx, {table, nullptr}, ids, y);
  CHECK(m.differs(y, reference::embed(m.reals(table), m.whole_numbers(ids)), 0) == "");
  Reals grad = m.reals(grad_table);
  reference::embed_backward(m.whole_numbers(ids), m.reals(y), grad);
  embed_backward(*m.ctx, ids, y, grad_table);
  CHECK(m.differs(grad_table, grad) == "");
}

TEST_CASE("embedding from a packed form without the value") {
  const int threads = GENERATE(1, 3);
  const bool strided = GENERATE(false, true);
  const std::int64_t vocab = GENERATE(1, 33, 100), cols = GENERATE(1, 12, 130);
  CAPTURE(threads, strided, vocab, cols);
  Machine m(threads, strided, true);
  Weight table{m.normal(vocab, cols), nullptr, WeightRole::head};
  const View ids = m.indices(kTokens, vocab), y = m.output(kTokens, cols);
  const Reals expected = reference::embed(m.reals(table.value), m.whole_numbers(ids));
  if (prepare_weight(*m.ctx, table)) {
    fill(*m.ctx, 0, table.value);
    table.forget_value();
  }
  embed(*m.ctx, table, ids, y);
  CHECK(m.differs(y, expected, 0) == "");
}

TEST_CASE("dropout and jitter") {
  Machine m = any_machine();
  const Dropout drop{GENERATE(0.0f, 0.3f), 99};
  const std::int64_t cols = GENERATE(1, 37, 256);
  const ConstView tags = some_tokens(m).tags;
  const View x = m.normal(kTokens, cols), y = m.output(kTokens, cols);
  const Reals dropped = reference::dropout(drop, m.whole_numbers(tags), m.reals(x));
  dropout(*m.ctx, drop, tags, x, y);
  CHECK(m.differs(y, dropped) == "");

  const View residual = m.normal(kTokens, cols);
  Reals sum = m.reals(residual);
  for (std::size_t i = 0; i < sum.values.size(); ++i) sum.values[i] += dropped.values[i];
  add_dropout(*m.ctx, drop, tags, x, residual, y);
  CHECK(m.differs(y, sum) == "");
  add_dropout(*m.ctx, drop, tags, x, residual, residual);
  CHECK(m.differs(residual, sum) == "");

  jitter(*m.ctx, 0.1f, 5, tags, x, y);
  CHECK(m.differs(y, reference::jitter(0.1f, 5, m.whole_numbers(tags), m.reals(x))) == "");
  dropout(*m.ctx, drop, tags, x, x);
  CHECK(m.differs(x, dropped) == "");
}

TEST_CASE("RMS norm and its backward") {
  Machine m = any_machine();
  const std::int64_t cols = GENERATE(1, 15, 64, 300);
  const float eps = 1e-6f;
  const View x = m.normal(kTokens, cols), weight = m.normal(1, cols), dy = m.normal(kTokens, cols);
  const View y = m.output(kTokens, cols), inv_rms = m.output(kTokens, 1);
  Reals expected_inverse;
  const Reals expected = reference::rms_norm(m.reals(x), m.reals(weight), eps, expected_inverse);
  rms_norm(*m.ctx, x, weight, eps, y, inv_rms);
  CHECK(m.differs(y, expected) == "");
  CHECK(m.differs(inv_rms, expected_inverse) == "");

  const View dx = m.normal(kTokens, cols), dweight = m.normal(1, cols);
  Reals grad_x = m.reals(dx), grad_weight = m.reals(dweight);
  reference::rms_norm_backward(m.reals(x), m.reals(weight), m.reals(inv_rms), m.reals(dy), grad_x,
                               grad_weight);
  rms_norm_backward(*m.ctx, {x, weight, inv_rms}, dy, dx, dweight);
  CHECK(m.differs(dx, grad_x) == "");
  CHECK(m.differs(dweight, grad_weight) == "");
}

TEST_CASE("activations and their backward") {
  Machine m = any_machine();
  const Activation act =
      GENERATE(Activation::relu, Activation::gelu, Activation::gelu_new, Activation::silu);
  const bool gated = GENERATE(false, true);
  const Dropout drop{GENERATE(0.0f, 0.4f), 3};
  const std::int64_t cols = 45;
  const ConstView tags = some_tokens(m).tags;
  const View hidden = m.normal(kTokens, cols);
  const View gate = gated ? m.normal(kTokens, cols) : View{};
  const View y = m.output(kTokens, cols), dy = m.normal(kTokens, cols);
  const IntMatrix host_tags = m.whole_numbers(tags);
  const ActivationCall call{act, hidden, gate, drop, tags};
  activation(*m.ctx, call, y);
  CHECK(m.differs(y, reference::activation(act, m.reals(hidden), m.reals(gate), drop, host_tags)) ==
        "");

  Reals by_hidden, by_gate;
  reference::activation_backward(act, m.reals(hidden), m.reals(gate), drop, host_tags, m.reals(dy),
                                 by_hidden, by_gate);
  const View grad_hidden = m.output(kTokens, cols);
  const View grad_gate = gated ? m.output(kTokens, cols) : View{};
  activation_backward(*m.ctx, call, dy, grad_hidden, grad_gate);
  CHECK(m.differs(grad_hidden, by_hidden) == "");
  if (gated) CHECK(m.differs(grad_gate, by_gate) == "");
  activation_backward(*m.ctx, call, dy, dy, grad_gate);  // in place
  CHECK(m.differs(dy, by_hidden) == "");
}

TEST_CASE("rows moved by index") {
  Machine m = any_machine();
  const std::int64_t cols = GENERATE(1, 19, 96);
  const View x = m.normal(kTokens, cols);
  // The inverse of a partial permutation.
  std::vector<std::int32_t> index;
  for (std::int32_t i = 0; i < kTokens; ++i) index.push_back(i % 5 == 0 ? -1 : (i * 10) % 133);
  const View from = m.ints(kTokens, 1, index);
  const View y = m.output(kTokens, cols), sum = m.normal(kTokens, cols);
  gather_rows(*m.ctx, x, from, y);
  CHECK(m.differs(y, reference::gather_rows(m.reals(x), m.whole_numbers(from)), 0) == "");
  Reals expected = m.reals(sum);
  reference::gather_rows_add(m.reals(x), m.whole_numbers(from), expected);
  gather_rows_add(*m.ctx, x, from, sum);
  CHECK(m.differs(sum, expected) == "");

  std::vector<std::int32_t> permutation;
  for (std::int32_t i = 0; i < kTokens; ++i) permutation.push_back((i * 10 + 4) % 133);
  const View to = m.ints(kTokens, 1, permutation);
  const Reals host = m.reals(x);
  for (std::int64_t r = 0; r < kTokens; ++r)
    for (std::int64_t c = 0; c < cols; ++c)
      expected(permutation[static_cast<std::size_t>(r)], c) = host(r, c);
  scatter_rows(*m.ctx, x, to, y);
  CHECK(m.differs(y, expected, 0) == "");
}

TEST_CASE("integers are copied unchanged") {
  Machine m = any_machine();
  const View x = m.ints(3, 2, {1, -7, 2000000001, 3, 0, 5}), y = m.int_output(3, 2);
  copy(*m.ctx, x, y);
  CHECK(m.whole_numbers(y).values == m.whole_numbers(x).values);
}

}  // namespace
}  // namespace switchyard
