// SPDX-License-Identifier: Apache-2.0
// Chooses the form that a weight is packed into, and the one that is read.
#include "src/backend/cpu/weight.h"

#include "src/core/error.h"

namespace switchyard {

namespace cpu {

namespace {

// The form that suits the context, whether or not the weight has been packed in it.
const WeightForm& preferred_form(const Context& ctx, const Weight& w) {
  if (w.role != WeightRole::router) {
    if (ctx.weight_type == DType::bf16) return bf16_form();
    if (ctx.weight_type == DType::i8) return int8_form();
  }
  return ctx.row_invariant ? panels_form() : value_form();
}

}  // namespace

const WeightForm& form_of(const Context& ctx, const Weight& w) {
  const WeightForm& preferred = preferred_form(ctx, w);
  if (preferred.is_in(w)) return preferred;
  return ctx.row_invariant || !w.value ? panels_form() : value_form();
}

View value_of(const Weight& w) {
  check(static_cast<bool>(w.value), ErrorKind::kRuntime, "a weight [", w.value.rows, ", ",
        w.value.cols, "] is needed in float32, but has only a packed form");
  return w.value;
}

}  // namespace cpu

bool prepare_weight(Context& ctx, Weight& weight) {
  if (!weight.packed) weight.packed = std::make_shared<PackedWeight>();
  const cpu::WeightForm& form = cpu::preferred_form(ctx, weight);
  form.pack(ctx, weight);
  return form.replaces_value();
}

void embed(Context& ctx, const Weight& table, ConstView ids, View y) {
  const cpu::WeightForm& form = table.value ? cpu::value_form() : cpu::form_of(ctx, table);
  form.rows(ctx, table, ids, y);
}

}  // namespace switchyard
