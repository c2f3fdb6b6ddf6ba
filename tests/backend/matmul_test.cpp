// SPDX-License-Identifier: Apache-2.0
// linear, its backward and biases; a row has the same bits in every batch.
#include "tests/backend/machine.h"

namespace switchyard {
namespace {

struct Shape {
  std::int64_t tokens, in, out;
};

TEST_CASE("linear and its backward") {
  Machine m = any_machine();
  const Shape s = GENERATE(Shape{1, 1, 1}, Shape{1, 12, 32}, Shape{5, 15, 7}, Shape{64, 33, 100},
                           Shape{65, 257, 3}, Shape{200, 64, 97});
  CAPTURE(s.tokens, s.in, s.out);
  const Weight w{m.normal(s.out, s.in), nullptr};
  const View x = m.normal(s.tokens, s.in), dy = m.normal(s.tokens, s.out);

  const View y = m.output(s.tokens, s.out);
  linear(*m.ctx, x, w, y);
  CHECK(m.differs(y, reference::linear(m.reals(x), m.reals(w.value))) == "");

  const View dx = m.output(s.tokens, s.in), dw = m.normal(s.out, s.in);
  Reals grad_x = reference::linear_backward_input(m.reals(dy), m.reals(w.value));
  Reals grad_w = m.reals(dw);
  reference::linear_backward_weight(m.reals(x), m.reals(dy), grad_w);
  linear_backward_input(*m.ctx, dy, w, dx);
  linear_backward_weight(*m.ctx, x, w, dy, dw);
  CHECK(m.differs(dx, grad_x) == "");
  CHECK(m.differs(dw, grad_w) == "");

  for (double& value : grad_x.values) value *= 2;
  linear_backward_input_add(*m.ctx, dy, w, dx);
  CHECK(m.differs(dx, grad_x) == "");
}

TEST_CASE("no tokens") {
  Machine m = any_machine();
  const Weight w{m.normal(3, 4), nullptr};
  const View x = m.normal(0, 4), y = m.output(0, 3), dw = m.normal(3, 4);
  const Reals before = m.reals(dw);
  linear(*m.ctx, x, w, y);
  linear_backward_input(*m.ctx, y, w, x);
  linear_backward_weight(*m.ctx, x, w, y, dw);
  CHECK(m.differs(dw, before) == "");
}

TEST_CASE("bias and its backward") {
  Machine m = any_machine();
  const std::int64_t tokens = GENERATE(1, 7, 300), cols = GENERATE(1, 17, 64);
  const View bias = m.normal(1, cols), y = m.normal(tokens, cols), grad_bias = m.normal(1, cols);
  Reals sum = m.reals(y);
  reference::add_bias(m.reals(bias), sum);
  add_bias(*m.ctx, bias, y);
  CHECK(m.differs(y, sum) == "");
  Reals grad = m.reals(grad_bias);
  reference::bias_backward(sum, grad);
  bias_backward(*m.ctx, y, grad_bias);
  CHECK(m.differs(grad_bias, grad) == "");
}

// Rows alone and together, on one thread and several, with and without a packed weight.
TEST_CASE("in a row-invariant context a row has the same bits in every batch") {
  const bool strided = GENERATE(false, true);
  const Shape s = GENERATE(Shape{200, 12, 45}, Shape{200, 96, 128}, Shape{97, 512, 520},
                           Shape{40, 2048, 33}, Shape{8, 64, 8000}, Shape{100, 511, 257});
  CAPTURE(strided, s.tokens, s.in, s.out);
  Machine m(1, strided, true);
  Weight w{m.normal(s.out, s.in), nullptr};
  const View x = m.normal(s.tokens, s.in), together = m.output(s.tokens, s.out);
  linear(*m.ctx, x, w, together);
  const Reals expected = m.reals(together);
  CHECK(m.differs(together, reference::linear(m.reals(x), m.reals(w.value))) == "");

  const View alone = m.output(s.tokens, s.out);
  const auto same_bits = [&](std::int64_t rows) {
    for (std::int64_t r = 0; r < s.tokens; r += rows) {
      const std::int64_t count = std::min(rows, s.tokens - r);
      linear(*m.ctx, x.slice_rows(r, count), w, alone.slice_rows(r, count));
    }
    return m.reals(alone).values == expected.values;
  };
  struct How {
    bool prepared;
    int threads;
  };
  for (const How& how : {How{false, 2}, How{true, 1}, How{true, 3}}) {
    if (how.prepared) prepare_weight(*m.ctx, w);
    m.ctx->threads = how.threads;
    for (const std::int64_t rows : {1, 2, 3, 5, 7, 16, 96}) {
      CAPTURE(how.prepared, how.threads, rows);
      CHECK(same_bits(rows));
    }
  }
  CHECK(m.differs(alone, expected) == "");
}

TEST_CASE("the same inputs give the same bits every time") {
  Machine m = any_machine();
  const Weight w{m.normal(96, 130), nullptr};
  const View x = m.normal(700, 130), dy = m.normal(700, 96);
  const auto run = [&] {
    const View y = m.output(700, 96), dw = m.filled(96, 130, 0), grad_bias = m.filled(1, 96, 0);
    linear(*m.ctx, x, w, y);
    linear_backward_weight(*m.ctx, x, w, dy, dw);
    bias_backward(*m.ctx, dy, grad_bias);
    return std::vector{m.reals(y).values, m.reals(dw).values, m.reals(grad_bias).values};
  };
  const auto first = run();
  for (int i = 0; i < 5; ++i) CHECK(run() == first);
}

}  // namespace
}  // namespace switchyard
