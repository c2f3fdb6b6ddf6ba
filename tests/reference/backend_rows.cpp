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

// A weight is used as it is.
void prepare_weight(Context&, Weight&) {}

void linear(Context&, View x, const Weight& w, View y) {
  store(reference::linear(load(x), load(w.value)), y);
}
void linear_backward(Context&, View x, const Weight& w, View dy, View dx, bool add_to_dx, View dw) {
  const Reals grad = load(dy);
  if (dw) {
    Reals sum = load(dw);
    reference::linear_backward_weight(load(x), grad, sum);
    store(sum, dw);
  }
  if (!dx) return;
  const Reals grad_x = reference::linear_backward_input(grad, load(w.value));
  if (add_to_dx)
    add_to(grad_x, dx);
  else
    store(grad_x, dx);
}

void add_bias(Context&, View bias, View y) {
  Reals sum = load(y);
  reference::add_bias(load(bias), sum);
  store(sum, y);
}
void bias_backward(Context&, View dy, View grad_bias) {
  Reals sum = load(grad_bias);
  reference::bias_backward(load(dy), sum);
  store(sum, grad_bias);
}

void embed(Context&, View table, View ids, View y) {
  store(reference::embed(load(table), load_ints(ids)), y);
}
void embed_backward(Context&, View ids, View dy, View grad_table) {
  Reals sum = load(grad_table);
  reference::embed_backward(load_ints(ids), load(dy), sum);
  store(sum, grad_table);
}

void dropout(Context&, Dropout drop, View tags, View x, View y) {
  store(reference::dropout(drop, load_ints(tags), load(x)), y);
}
void add_dropout(Context&, Dropout drop, View tags, View x, View residual, View y) {
  Reals sum = reference::dropout(drop, load_ints(tags), load(x));
  const Reals base = load(residual);
  for (std::size_t i = 0; i < sum.values.size(); ++i) sum.values[i] += base.values[i];
  store(sum, y);
}

void rms_norm(Context&, View x, View weight, float eps, View y, View inv_rms) {
  Reals inverse;
  store(reference::rms_norm(load(x), load(weight), eps, inverse), y);
  store(inverse, inv_rms);
}
void rms_norm_backward(Context&, View x, View weight, View inv_rms, View dy, View dx,
                       View dweight) {
  const Reals w = load(weight);
  Reals grad_x = dx ? load(dx) : Reals(x.rows, x.cols);
  Reals grad_weight = dweight ? load(dweight) : Reals(w.rows, w.cols);
  reference::rms_norm_backward(load(x), w, load(inv_rms), load(dy), grad_x, grad_weight);
  store(grad_x, dx);
  store(grad_weight, dweight);
}

void activation(Context&, Activation act, View hidden, View gate, Dropout drop, View tags, View y) {
  store(reference::activation(act, load(hidden), load(gate), drop, load_ints(tags)), y);
}
void activation_backward(Context&, Activation act, View hidden, View gate, Dropout drop, View tags,
                         View dy, View grad_hidden, View grad_gate) {
  Reals by_hidden, by_gate;
  reference::activation_backward(act, load(hidden), load(gate), drop, load_ints(tags), load(dy),
                                 by_hidden, by_gate);
  store(by_hidden, grad_hidden);
  if (gate) store(by_gate, grad_gate);
}

void linear_cross_entropy(Context&, View h, const Weight& head, View labels, float label_smoothing,
                          View sums, float grad_scale, View dh, View grad_head) {
  const Reals states = load(h), weight = load(head.value);
  const IntMatrix targets = load_ints(labels);
  const Reals logits = reference::linear(states, weight);
  Reals total(1, 2);
  for (std::int64_t t = 0; t < logits.rows; ++t) {
    const auto [loss, nll] = reference::cross_entropy(logits, t, targets[t], label_smoothing);
    total[0] += loss;
    total[1] += nll;
  }
  add_to(total, sums);
  if (!dh && !grad_head) return;

  Reals grad_logits = reference::cross_entropy_backward(logits, targets, label_smoothing);
  for (double& value : grad_logits.values) value *= grad_scale;
  store(reference::linear_backward_input(grad_logits, weight), dh);
  if (!grad_head) return;
  Reals sum = load(grad_head);
  reference::linear_backward_weight(states, grad_logits, sum);
  store(sum, grad_head);
}

}  // namespace switchyard
