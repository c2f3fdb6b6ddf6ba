// SPDX-License-Identifier: Apache-2.0
// Matmuls with int8 weights. simd/int8_gemm_test checks the integers; here are the error that is
// left against float32, the split among threads, and experts.
#include "tests/backend/machine.h"

namespace switchyard {
namespace {

// A step is 1/127 of a row's largest value. Over many inputs, the errors of both operands add up to
// less than this share of the result's largest value.
constexpr double kInt8Rtol = 0.03;

Weight prepared(Machine& m, std::int64_t out, std::int64_t in,
                WeightRole role = WeightRole::matmul) {
  Weight w{m.normal(out, in), nullptr, role};
  prepare_weight(*m.ctx, w);
  return w;
}

TEST_CASE("int8: linear is near float32, with the same bits in every batch and on any threads") {
  const bool strided = GENERATE(false, true);
  const std::int64_t tokens = GENERATE(1, 5, 100, 200), in = GENERATE(64, 511),
                     out = GENERATE(33, 520);
  CAPTURE(strided, tokens, in, out);
  Machine m(1, strided, true, DType::i8);
  const Weight w = prepared(m, out, in);
  const View x = m.normal(tokens, in), y = m.output(tokens, out), again = m.output(tokens, out);
  linear(*m.ctx, x, w, y);
  CHECK(m.differs(y, reference::linear(m.reals(x), m.reals(w.value)), kInt8Rtol) == "");
  m.ctx->threads = 3;
  for (std::int64_t r = 0; r < tokens; r += 7) {
    const std::int64_t count = std::min<std::int64_t>(7, tokens - r);
    linear(*m.ctx, x.slice_rows(r, count), w, again.slice_rows(r, count));
  }
  CHECK(m.differs(again, m.reals(y), 0) == "");
}

TEST_CASE("int8: a router stays float32") {
  Machine m(1, false, true, DType::i8);
  const Weight w = prepared(m, 8, 64, WeightRole::router);
  const View x = m.normal(10, 64), y = m.output(10, 8);
  linear(*m.ctx, x, w, y);
  CHECK(m.differs(y, reference::linear(m.reals(x), m.reals(w.value))) == "");
}

TEST_CASE("int8: an embedding without its value is rounded to int8") {
  const std::int64_t cols = GENERATE(1, 64, 130);
  Machine m(3, true, true, DType::i8);
  const View value = m.normal(100, cols), ids = m.indices(50, 100), y = m.output(50, cols);
  Weight table{value, nullptr, WeightRole::head};
  if (prepare_weight(*m.ctx, table)) table.forget_value();
  embed(*m.ctx, table, ids, y);
  // Half a step, and the rounding of the scale.
  const Reals expected = reference::embed(m.reals(value), m.whole_numbers(ids));
  CHECK(m.differs(y, expected, 0.5 / 127 + 1e-6) == "");
}

TEST_CASE("int8: experts are near float32, with the same bits on any threads") {
  const bool gated = GENERATE(false, true);
  CAPTURE(gated);
  constexpr std::int64_t kExperts = 3, kIn = 64, kHidden = 130;
  const std::vector<std::int32_t> offsets = {0, 150, 150, 157};
  Machine m(1, false, true, DType::i8), exact(1, false, true);
  std::vector<FfnWeights> weights, values;
  for (std::int64_t e = 0; e < kExperts; ++e) {
    FfnWeights w{prepared(m, kHidden, kIn), std::nullopt, prepared(m, kIn, kHidden)};
    if (gated) w.wi_1 = prepared(m, kHidden, kIn);
    weights.push_back(w);
    for (Weight* weight : {&w.wi, &w.wo}) weight->packed = nullptr;
    if (gated) w.wi_1->packed = nullptr;
    values.push_back(w);
  }
  const std::int64_t rows = offsets.back();
  const View x = m.normal(rows, kIn);
  const auto run = [&](Machine& machine, const std::vector<FfnWeights>& w) {
    const auto table = make_expert_table(*machine.ctx, w);
    Routing routing;
    routing.expert_offsets = machine.ints(1, kExperts + 1, offsets);
    ExpertCall call;
    call.experts = table.get();
    FfnSaved saved{machine.output(rows, kHidden), gated ? machine.output(rows, kHidden) : View{}};
    const View y = machine.output(rows, kIn);
    experts(*machine.ctx, call, routing, x, saved, y);
    return machine.reals(y);
  };
  const Reals found = run(m, weights);
  CHECK(close(found.values, run(exact, values).values, kInt8Rtol, 1e-7) == "");
  m.ctx->threads = 3;
  CHECK(run(m, weights).values == found.values);
}

}  // namespace
}  // namespace switchyard
