// SPDX-License-Identifier: Apache-2.0
// Chooses the form that a weight is packed into, and the one that is read.
#include "src/backend/cpu/weight.h"

#include <cassert>
#include <cstring>
#include <utility>

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

// Keeps alive what adopt_packed() was given, and allocates nothing.
class Borrowed : public Memory {
 public:
  explicit Borrowed(std::shared_ptr<const void> owner) : owner_(std::move(owner)) {}
  void* allocate(std::size_t) override {
    fail(ErrorKind::kRuntime, "memory of an adopted weight cannot be allocated");
  }
  void release(void*, std::size_t) noexcept override {}

 private:
  std::shared_ptr<const void> owner_;
};

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
  if (!weight.packed || (weight.packed->adopted && weight.value))
    weight.packed = std::make_shared<PackedWeight>();
  const cpu::WeightForm& form = cpu::preferred_form(ctx, weight);
  form.pack(ctx, weight);
  return form.replaces_value();
}

std::string packed_layout(const Context& ctx, const Weight& weight) {
  return cpu::preferred_form(ctx, weight).layout(ctx);
}

std::size_t packed_bytes(const Context& ctx, const Weight& weight) {
  const cpu::WeightForm& form = cpu::preferred_form(ctx, weight);
  if (form.layout(ctx).empty()) return 0;
  return static_cast<std::size_t>(form.packed_bytes(weight.value.rows, weight.value.cols));
}

void download_packed(Context& ctx, const Weight& weight, void* host) {
  const cpu::WeightForm& form = cpu::preferred_form(ctx, weight);
  assert(form.is_in(weight) && !form.layout(ctx).empty());
  std::memcpy(host, form.storage(*weight.packed)->view().data, packed_bytes(ctx, weight));
}

void adopt_packed(Context& ctx, Weight& weight, std::shared_ptr<const void> host) {
  const cpu::WeightForm& form = cpu::preferred_form(ctx, weight);
  assert(!form.layout(ctx).empty() && reinterpret_cast<std::uintptr_t>(host.get()) % 64 == 0);
  const std::size_t bytes = packed_bytes(ctx, weight);
  // Never written through: see PackedWeight::adopted.
  void* const data = const_cast<void*>(host.get());
  auto packed = std::make_shared<PackedWeight>();
  packed->adopted = true;
  *form.storage(*packed) = Tensor(
      std::make_shared<cpu::Borrowed>(std::move(host)), data,
      static_cast<std::int64_t>(bytes / size_bytes(form.storage_type())), form.storage_type());
  form.note_layout(*packed);
  weight.packed = std::move(packed);
}

void embed(Context& ctx, const Weight& table, ConstView ids, View y) {
  const cpu::WeightForm& form = table.value ? cpu::value_form() : cpu::form_of(ctx, table);
  form.rows(ctx, table, ids, y);
}

}  // namespace switchyard
