// SPDX-License-Identifier: Apache-2.0
// A weight as float32 panels of outputs, for the row-invariant matmuls of simd/packed_gemm.h: each
// element is one chain of multiply-adds along K, whatever the number of rows and threads. oneDNN's
// matmuls lack that property on AVX2 and SSE4.1. A weight not in this form is packed into scratch
// on each call. Gradients use the value.
#include "simd/packed_gemm.h"
#include "simd/targets.h"
#include "src/backend/cpu/views.h"
#include "src/backend/cpu/weight.h"
#include "src/core/error.h"
#include "src/core/parallel.h"

namespace switchyard::cpu {

namespace {

constexpr std::int64_t kPackedPanels = 8;  // packed at a time by a thread

// Null if the weight is not in this form.
const float* panels_of(const Weight& w) {
  return w.packed && w.packed->panels.bytes() > 0 ? f32(w.packed->panels.view()).data : nullptr;
}

void pack_panels(const ConstView& w, float* panels) {
  simd::pack_weight(w.rows, w.cols, f32(w), panels);
}

// Panels packed for another instruction set would be read as garbage.
void check_layout(const Weight& w) {
  const std::int64_t packed = w.packed->panel_outputs, now = simd::packed_gemm_panel();
  check(packed == now, ErrorKind::kRuntime, "a weight was packed in panels of ", packed,
        " outputs, but the kernels (", simd::target_name(), ") read panels of ", now,
        ": the instruction set has changed since prepare_weight()");
}

// The scratch, in floats, needed to pack a weight that has no panels. Error(kRuntime) if its panels
// cannot be read.
std::int64_t packing_floats(const Weight& w) {
  if (!panels_of(w)) {
    const View value = value_of(w);
    return simd::packed_gemm_floats(value.rows, value.cols);
  }
  check_layout(w);
  return 0;
}

class Panels : public WeightForm {
 public:
  bool is_in(const Weight& w) const override { return panels_of(w); }

  void pack(Context& ctx, Weight& weight) const override {
    const View w = value_of(weight);
    Tensor& panels = weight.packed->panels;
    const std::int64_t outputs = simd::packed_gemm_panel();
    if (panels.bytes() == 0 || weight.packed->panel_outputs != outputs)
      panels = Tensor(ctx, 1, simd::packed_gemm_floats(w.rows, w.cols));
    weight.packed->panel_outputs = outputs;
    // The first write to a page, which the kernel zeroes, takes most of the time of loading a
    // model.
    parallel_for(ctx.threads, 0, w.rows, kPackedPanels * outputs,
                 [&](std::int64_t first, std::int64_t last) {
                   pack_panels(w.slice_rows(first, last - first),
                               f32(panels.view()).data + simd::packed_gemm_floats(first, w.cols));
                 });
  }

  bool replaces_value() const override { return true; }
  std::string layout(const Context&) const override {
    return "float32-" + std::to_string(simd::packed_gemm_panel());
  }
  std::int64_t packed_bytes(std::int64_t out, std::int64_t in) const override {
    return simd::packed_gemm_floats(out, in) * std::int64_t{sizeof(float)};
  }
  Tensor* storage(PackedWeight& packed) const override { return &packed.panels; }
  void note_layout(PackedWeight& packed) const override {
    packed.panel_outputs = simd::packed_gemm_panel();
  }

  void forward(Context& ctx, const ConstView& x, const Weight& w, View y) const override {
    ArenaScope scope(ctx.scratch);
    auto* const scratch = scratch_array<float>(ctx, packing_floats(w));
    if (!panels_of(w)) pack_panels(w.value, scratch);
    const float* const panels = panels_of(w) ? panels_of(w) : scratch;
    for_result_blocks(ctx, y, [&](const ResultBlock& b) {
      simd::packed_gemm(b.rows, b.first_col, b.last_col, x.cols, from(f32(x), b.row), panels,
                        from(f32(y), b.row));
    });
  }

  void rows(Context& ctx, const Weight& w, ConstView ids, View y) const override {
    if (!panels_of(w)) return WeightForm::rows(ctx, w, ids, y);
    check_layout(w);
    for_looked_up_rows(ctx, ids, y, [&](std::int64_t id, float* row) {
      simd::unpack_weight_row(id, y.cols, panels_of(w), row);
    });
  }

  RowPlan plan_forward(Context&, const Weight& w) const override {
    return {128, packing_floats(w), 0};
  }

  bool forward_rows(Context&, const ConstView& x, const Weight& w, View y,
                    float* scratch) const override {
    if (!panels_of(w)) pack_panels(w.value, scratch);
    const float* const panels = panels_of(w) ? panels_of(w) : scratch;
    simd::packed_gemm(x.rows, 0, y.cols, x.cols, f32(x), panels, f32(y));
    return true;
  }
};

}  // namespace

const WeightForm& panels_form() {
  static const Panels form;
  return form;
}

}  // namespace switchyard::cpu
