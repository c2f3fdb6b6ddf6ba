// SPDX-License-Identifier: Apache-2.0
// Matmuls, embedding, dropout, norm, activation and cross-entropy of the reference backend.
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

// This backend has no packed form.
bool prepare_weight(Context&, Weight&) { return false; }
std::string packed_layout(const Context&, const Weight&) { return {}; }
std::size_t packed_bytes(const Context&, const Weight&) { return 0; }
void download_packed(Context&, const Weight&, void*) {}
void adopt_packed(Context&, Weight&, std::shared_ptr<const void>) {}

void linear(Context&, ConstView x, const Weight& w, View y) {
  store(reference::linear(load(x), load(w.value)), y);
}
void linear_backward_input(Context&, ConstView dy, const Weight& w, View dx) {
  store(reference::linear_backward_input(load(dy), load(w.value)), dx);
}
void linear_backward_input_add(Context&, ConstView dy, const Weight& w, View dx) {
  add_to(reference::linear_backward_input(load(dy), load(w.value)), dx);
}
void linear_backward_weight(Context&, ConstView x, const Weight&, ConstView dy, View dw) {
  Reals sum = load(dw);
  reference::linear_backward_weight(load(x), load(dy), sum);
  store(sum, dw);
}

void add_bias(Context&, ConstView bias, View y) {
  Reals sum = load(y);
  reference::add_bias(load(bias), sum);
  store(sum, y);
}
void bias_backward(Context&, ConstView dy, View grad_bias) {
  Reals sum = load(grad_bias);
  reference::bias_backward(load(dy), sum);
  store(sum, grad_bias);
}

void embed(Context&, const Weight& table, ConstView ids, View y) {
  store(reference::embed(load(table.value), load_ints(ids)), y);
}
void embed_backward(Context&, ConstView ids, ConstView dy, View grad_table) {
  Reals sum = load(grad_table);
  reference::embed_backward(load_ints(ids), load(dy), sum);
  store(sum, grad_table);
}

void dropout(Context&, Dropout drop, ConstView tags, ConstView x, View y) {
  store(reference::dropout(drop, load_ints(tags), load(x)), y);
}
void add_dropout(Context&, Dropout drop, ConstView tags, ConstView x, ConstView residual, View y) {
  Reals sum = reference::dropout(drop, load_ints(tags), load(x));
  const Reals base = load(residual);
  for (std::size_t i = 0; i < sum.values.size(); ++i) sum.values[i] += base.values[i];
  store(sum, y);
}

void rms_norm(Context&, ConstView x, ConstView weight, float eps, View y, View inv_rms) {
  Reals inverse;
  store(reference::rms_norm(load(x), load(weight), eps, inverse), y);
  store(inverse, inv_rms);
}
void rms_norm_backward(Context&, const RmsNormSaved& s, ConstView dy, View dx, View grad_weight) {
  Reals grad_x = load(dx), grad_w = load(grad_weight);
  reference::rms_norm_backward(load(s.x), load(s.weight), load(s.inv_rms), load(dy), grad_x,
                               grad_w);
  store(grad_x, dx);
  store(grad_w, grad_weight);
}

void activation(Context&, const ActivationCall& call, View y) {
  store(reference::activation(call.act, load(call.hidden), load(call.gate), call.drop,
                              load_ints(call.tags)),
        y);
}
void activation_backward(Context&, const ActivationCall& call, ConstView dy, View grad_hidden,
                         View grad_gate) {
  Reals by_hidden, by_gate;
  reference::activation_backward(call.act, load(call.hidden), load(call.gate), call.drop,
                                 load_ints(call.tags), load(dy), by_hidden, by_gate);
  store(by_hidden, grad_hidden);
  if (call.gate) store(by_gate, grad_gate);
}

void linear_cross_entropy(Context&, const CrossEntropyCall& call, View sums,
                          const CrossEntropyGrads& grads) {
  const Reals states = load(call.h), weight = load(call.head->value);
  const IntMatrix targets = load_ints(call.labels);
  const Reals logits = reference::linear(states, weight);
  Reals total(1, 2);
  for (std::int64_t t = 0; t < logits.rows; ++t) {
    const auto [loss, nll] = reference::cross_entropy(logits, t, targets[t], call.label_smoothing);
    total[0] += loss;
    total[1] += nll;
  }
  add_to(total, sums);
  if (!grads.dh && !grads.grad_head) return;

  Reals grad_logits = reference::cross_entropy_backward(logits, targets, call.label_smoothing);
  for (double& value : grad_logits.values) value *= call.grad_scale;
  store(reference::linear_backward_input(grad_logits, weight), grads.dh);
  if (!grads.grad_head) return;
  Reals sum = load(grads.grad_head);
  reference::linear_backward_weight(states, grad_logits, sum);
  store(sum, grads.grad_head);
}

}  // namespace switchyard
