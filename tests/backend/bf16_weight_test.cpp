// SPDX-License-Identifier: Apache-2.0
// Weights packed in bfloat16: which value matmuls read after an update, with several packed forms,
// and without the float32 value.
#include "tests/backend/bf16_machine.h"

namespace switchyard {
namespace {

TEST_CASE("after an update bfloat16 matmuls read the new value, a router's always do") {
  Bf16Machine m(2);
  const Reals x = m.whole(20, 40), w = m.whole(30, 40);
  const View x_view = m.place(x, DType::bf16), y = m.place(m.whole(20, 30), DType::f32);
  Weight weight{m.place(m.whole(30, 40), DType::f32), nullptr};
  const bool router = GENERATE(false, true);
  CAPTURE(router);
  if (router) weight.role = WeightRole::router;
  prepare_weight(*m.ctx, weight);
  copy(*m.ctx, m.place(w, DType::f32), weight.value);
  prepare_weight(*m.ctx, weight);
  linear(*m.ctx, x_view, weight, y);
  CHECK(m.values(y) == reference::linear(x, w).values);
}

TEST_CASE("a weight has the packed forms of all contexts that prepared it") {
  Bf16Machine m(2);
  const auto invariant = make_context({2, true});
  const bool bf16_first = GENERATE(false, true);
  const Reals x = m.whole(20, 40), w = m.whole(30, 40);
  Weight weight{m.place(w, DType::f32), nullptr};
  for (const bool in_bf16 : {bf16_first, !bf16_first, bf16_first})
    prepare_weight(in_bf16 ? *m.ctx : *invariant, weight);
  const View y = m.place(m.whole(20, 30), DType::f32);
  linear(*m.ctx, m.place(x, DType::bf16), weight, y);
  const Reals expected = reference::linear(x, w);
  CHECK(m.values(y) == expected.values);
  linear(*invariant, m.place(x, DType::f32), weight, y);
  CHECK(m.values(y) == expected.values);
  // Prepared only for the other kind of context.
  Weight other{weight.value, nullptr};
  prepare_weight(*m.ctx, other);
  linear(*invariant, m.place(x, DType::f32), other, y);
  CHECK(m.values(y) == expected.values);
}

TEST_CASE("an optimizer repacks the weights it updates exactly as prepare_weight() does") {
  const int threads = GENERATE(1, 3);
  const std::int64_t out = GENERATE(5, 64, 200), in = GENERATE(7, 130);
  const bool factored = GENERATE(false, true);
  CAPTURE(threads, out, in, factored);
  Bf16Machine m(threads);
  const View x = m.place(m.whole(20, in), DType::bf16), dy = m.place(m.whole(20, out), DType::bf16);
  Weight weight{m.place(m.whole(out, in), DType::f32), nullptr};
  prepare_weight(*m.ctx, weight);
  const auto results = [&](const Weight& w) {
    const View y = m.place(Reals(20, out), DType::f32), dx = m.place(Reals(20, in), DType::f32);
    linear(*m.ctx, x, w, y);
    linear_backward_input(*m.ctx, dy, w, dx);
    return std::pair(m.values(y), m.values(dx));
  };
  const auto before = results(weight);
  const View grad = m.place(m.whole(out, in), DType::f32);
  const auto zeros = [&](std::int64_t rows, std::int64_t cols) {
    return m.place(Reals(rows, cols), DType::f32);
  };
  if (factored) {
    const AdafactorParam param{&weight, grad, zeros(1, out), zeros(1, in)};
    Adafactor options;
    options.lr = 0.3f;
    adafactor(*m.ctx, options, *plan_adafactor(*m.ctx, {param}), {});
  } else {
    const AdamWParam param{weight.value, grad, zeros(out, in), zeros(out, in), &weight};
    adamw(*m.ctx, {0.3f, 0.9f, 0.98f, 1e-8f}, *plan_adamw(*m.ctx, {param}), {});
  }
  Weight fresh{weight.value, nullptr};
  prepare_weight(*m.ctx, fresh);
  CHECK(results(weight) == results(fresh));
  CHECK(results(weight) != before);
}

TEST_CASE("an embedding without its value is rounded to bfloat16") {
  Bf16Machine m(2, true);
  const std::int64_t cols = GENERATE(1, 24, 130);
  Reals value = m.whole(100, cols);
  for (std::size_t i = 0; i < value.values.size(); ++i)
    value.values[i] += static_cast<double>(i) / 1024;  // exact in float32 only
  Weight table{m.place(value, DType::f32), nullptr, WeightRole::head};
  const bool replaced = prepare_weight(*m.ctx, table);
  if (replaced) table.forget_value();
  const std::vector<double> kept = rounded(value, replaced ? DType::bf16 : DType::f32);
  const View ids = m.ctx->scratch.make(3, 1, DType::i32), y = m.place(m.whole(3, cols), DType::f32);
  const std::vector<std::int32_t> listed = {99, 0, 64};
  upload(*m.ctx, listed.data(), 3, ids);
  embed(*m.ctx, table, ids, y);
  std::vector<double> expected;
  for (const std::int32_t id : listed)
    for (std::int64_t c = 0; c < cols; ++c)
      expected.push_back(kept[static_cast<std::size_t>(id * cols + c)]);
  CHECK(m.values(y) == expected);
}

}  // namespace
}  // namespace switchyard
