// SPDX-License-Identifier: Apache-2.0
// Attention over ragged batches, whole sequences and one step.
#include "tests/backend/machine.h"

namespace switchyard {
namespace {

// Scores here reach 40, so their rounding in f32 (3e-6) becomes a relative error of the
// probabilities several times as large.
constexpr double kAttentionRtol = 5e-5;

reference::AttentionSpec<double> spec_of(const Machine& m, const AttentionCall& call) {
  return {call.num_heads, call.d_kv, call.causal, m.reals(call.bias), call.center, call.drop};
}

struct Kind {
  bool cross, causal, biased;
  float dropout;
};

TEST_CASE("attention, its backward and its probabilities") {
  Machine m = any_machine();
  const Kind kind = GENERATE(Kind{false, false, true, 0}, Kind{false, true, true, 0.2f},
                             Kind{true, false, false, 0.2f}, Kind{false, true, false, 0});
  const std::int64_t d_kv = GENERATE(3, 16, 64);
  CAPTURE(kind.cross, kind.causal, kind.biased, kind.dropout, d_kv);
  std::vector<std::int32_t> lengths = {5, 1, 23, 40, 2}, key_lengths = lengths;
  for (std::int32_t i = 0; i < 15; ++i)
    lengths.push_back(i % 4 + 1), key_lengths.push_back(i % 4 + 1);
  if (kind.cross) key_lengths = {9, 3, 1, 50, 17, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8};
  AttentionCall call;
  call.queries = m.ragged(lengths);
  call.keys = m.ragged(key_lengths);
  const Ragged &queries = call.queries, &keys = call.keys;
  call.num_heads = 3;
  call.d_kv = d_kv;
  call.causal = kind.causal;
  call.center = 45;
  if (kind.biased) call.bias = m.normal(3, 91);
  call.drop = {kind.dropout, 21};
  const std::int64_t inner = 3 * d_kv, tq = queries.tokens, tk = keys.tokens;
  const AttentionInput in{m.normal(tq, inner), m.normal(tk, inner), m.normal(tk, inner)};
  const View out = m.output(tq, inner), logsumexp = m.output(tq, 3);
  const View grad_out = m.normal(tq, inner);
  const auto spec = spec_of(m, call);
  const auto host_queries = m.sequences(queries), host_keys = m.sequences(keys);
  const Reals hq = m.reals(in.q), hk = m.reals(in.k), hv = m.reals(in.v);

  attention(*m.ctx, call, in, out, logsumexp);
  Reals expected_sums;
  const Reals expected =
      reference::attention(spec, host_queries, host_keys, hq, hk, hv, expected_sums);
  CHECK(m.differs(out, expected, kAttentionRtol) == "");
  CHECK(m.differs(logsumexp, expected_sums, kAttentionRtol) == "");

  const AttentionSaved s{in, out, logsumexp};
  const View probs = m.output(queries.batch * 3 * queries.max_len, keys.max_len);
  attention_probs(*m.ctx, call, s, probs);
  CHECK(m.differs(probs, reference::attention_probs(spec, host_queries, host_keys, hq, hk),
                  kAttentionRtol) == "");

  const AttentionGrads grads{m.output(tq, inner), m.output(tk, inner), m.output(tk, inner),
                             kind.biased ? m.normal(3, 91) : View{}};
  Reals bias_sum = m.reals(grads.grad_bias);
  attention_backward(*m.ctx, call, s, grad_out, grads);
  const auto expected_grads =
      reference::attention_backward(spec, host_queries, host_keys, hq, hk, hv, m.reals(grad_out));
  CHECK(m.differs(grads.dq, expected_grads.dq, kAttentionRtol) == "");
  CHECK(m.differs(grads.dk, expected_grads.dk, kAttentionRtol) == "");
  CHECK(m.differs(grads.dv, expected_grads.dv, kAttentionRtol) == "");
  for (std::size_t i = 0; i < bias_sum.values.size(); ++i)
    bias_sum.values[i] += expected_grads.grad_bias.values[i];
  if (kind.biased) CHECK(m.differs(grads.grad_bias, bias_sum, kAttentionRtol) == "");
}

TEST_CASE("one step of attention") {
  Machine m = any_machine();
  const std::int64_t d_kv = GENERATE(3, 16, 64);
  const bool biased = GENERATE(false, true);
  AttentionCall call;
  call.num_heads = 2;
  call.d_kv = d_kv;
  call.center = 60;
  if (biased) call.bias = m.normal(2, 121);
  const View q = m.normal(4, 2 * d_kv), k = m.normal(90, 2 * d_kv), v = m.normal(90, 2 * d_kv);
  // Out of order, and shared: rows 1 and 2 see the same keys in part.
  std::vector<std::int32_t> listed;
  for (std::int32_t i = 0; i < 70; ++i) listed.push_back((i * 37 + 5) % 90);
  const View index = m.ints(1, 70, listed);
  const View first = m.ints(4, 1, {0, 1, 40, 69}), count = m.ints(4, 1, {1, 60, 17, 1});
  const View out = m.output(4, 2 * d_kv);
  attention_step(*m.ctx, call, q, {k, v, index, first, count}, out);
  const reference::KeyLists lists{m.whole_numbers(index), m.whole_numbers(first),
                                  m.whole_numbers(count)};
  CHECK(m.differs(
            out,
            reference::attention_step(spec_of(m, call), m.reals(q), m.reals(k), m.reals(v), lists),
            kAttentionRtol) == "");

  const View alone = m.output(1, 2 * d_kv);
  for (std::int64_t r = 0; r < 4; ++r) {
    attention_step(*m.ctx, call, q.slice_rows(r, 1),
                   {k, v, index, first.slice_rows(r, 1), count.slice_rows(r, 1)}, alone);
    CHECK(m.reals(alone).values == m.reals(out.slice_rows(r, 1)).values);
  }
}

TEST_CASE("a sequence's attention has the same bits in every batch") {
  Machine m = any_machine();
  const Ragged all = m.ragged({3, 33, 70}), last = m.ragged({70});
  AttentionCall call;
  call.num_heads = 2;
  call.d_kv = 20;
  call.center = 70;
  call.bias = m.normal(2, 141);
  const View q = m.normal(106, 40), k = m.normal(106, 40), v = m.normal(106, 40);
  const View together = m.output(106, 40), alone = m.output(70, 40);
  call.queries = call.keys = all;
  attention(*m.ctx, call, {q, k, v}, together, View{});
  const auto part = [&](View x) { return x.slice_rows(36, 70); };
  call.queries = call.keys = last;
  attention(*m.ctx, call, {part(q), part(k), part(v)}, alone, View{});
  CHECK(m.reals(alone).values == m.reals(part(together)).values);
}

TEST_CASE("the position bias of every distance, and backward") {
  Machine m = any_machine();
  const View table = m.normal(8, 3), bias = m.output(3, 21), grad_table = m.normal(8, 3);
  std::vector<std::int32_t> buckets;
  for (std::int32_t i = 0; i < 21; ++i) buckets.push_back(i * i % 8);
  const View bucket = m.ints(1, 21, buckets);
  expand_bias(*m.ctx, table, bucket, bias);
  CHECK(m.differs(bias, reference::expand_bias(m.reals(table), m.whole_numbers(bucket)), 0) == "");
  Reals grad = m.reals(grad_table);
  reference::expand_bias_backward(m.reals(bias), m.whole_numbers(bucket), grad);
  expand_bias_backward(*m.ctx, bias, bucket, grad_table);
  CHECK(m.differs(grad_table, grad) == "");
}

}  // namespace
}  // namespace switchyard
