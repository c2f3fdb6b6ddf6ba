// SPDX-License-Identifier: Apache-2.0
// Attention of the reference backend, and scatter_rows() for key/value pools.
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

namespace {

reference::AttentionSpec<double> load(const AttentionCall& call) {
  return {call.num_heads, call.d_kv, call.causal, load(call.bias), call.center, call.drop};
}

}  // namespace

void expand_bias(Context&, ConstView table, ConstView bucket, View bias) {
  store(reference::expand_bias(load(table), load_ints(bucket)), bias);
}
void expand_bias_backward(Context&, ConstView grad_bias, ConstView bucket, View grad_table) {
  Reals sum = load(grad_table);
  reference::expand_bias_backward(load(grad_bias), load_ints(bucket), sum);
  store(sum, grad_table);
}

void attention(Context&, const AttentionCall& call, const AttentionInput& in, View out,
               View logsumexp) {
  Reals sums;
  store(reference::attention(load(call), load(call.queries), load(call.keys), load(in.q),
                             load(in.k), load(in.v), sums),
        out);
  store(sums, logsumexp);
}

void attention_backward(Context&, const AttentionCall& call, const AttentionSaved& s,
                        ConstView grad_out, const AttentionGrads& grads) {
  const auto found =
      reference::attention_backward(load(call), load(call.queries), load(call.keys), load(s.in.q),
                                    load(s.in.k), load(s.in.v), load(grad_out));
  store(found.dq, grads.dq);
  store(found.dk, grads.dk);
  store(found.dv, grads.dv);
  if (call.bias) add_to(found.grad_bias, grads.grad_bias);
}

void attention_probs(Context&, const AttentionCall& call, const AttentionSaved& s, View probs) {
  store(reference::attention_probs(load(call), load(call.queries), load(call.keys), load(s.in.q),
                                   load(s.in.k)),
        probs);
}

void attention_step(Context&, const AttentionCall& call, ConstView q, const CachedKeys& keys,
                    View out) {
  store(reference::attention_step(
            load(call), load(q), load(keys.k), load(keys.v),
            {load_ints(keys.index), load_ints(keys.first), load_ints(keys.count)}),
        out);
}

void scatter_rows(Context&, ConstView x, ConstView index, View y) {
  const IntMatrix to = load_ints(index);
  for (std::int64_t r = 0; r < x.rows; ++r) store(load(x.slice_rows(r, 1)), y.slice_rows(to[r], 1));
}

}  // namespace switchyard
