// SPDX-License-Identifier: Apache-2.0
// A weight as int8 panels, for translation (simd/int8_gemm.h). Activations are float32, quantized
// on the fly. Gradients use the value.
#include "simd/int8_gemm.h"
#include "simd/targets.h"
#include "src/backend/cpu/views.h"
#include "src/backend/cpu/weight.h"
#include "src/core/error.h"

namespace switchyard::cpu {

namespace {

const std::int8_t* panels_of(const Weight& w) {
  return static_cast<const std::int8_t*>(w.packed->int8.view().data);
}

// The kernels would read garbage in another layout.
void check_layout(const Weight& w) {
  const simd::Int8Layout packed = w.packed->int8_layout, now = simd::int8_layout();
  check(packed == now, ErrorKind::kRuntime, "an int8 weight was packed in panels of ", packed.panel,
        " outputs by ", packed.group, " inputs, but the kernels (", simd::target_name(),
        ") read panels of ", now.panel, " by ", now.group,
        ": the instruction set has changed since prepare_weight()");
}

// More inputs could overflow the sums, also of a weight from a file.
void check_inputs(std::int64_t in) {
  check(in <= simd::kMaxInt8Inputs, ErrorKind::kRuntime, "a weight has ", in,
        " inputs, but int8 matmuls are limited to ", simd::kMaxInt8Inputs);
}

// Quantized rows of activations.
struct Quantized {
  std::uint8_t* data;
  std::int64_t row_bytes;
  std::uint8_t* operator[](std::int64_t row) const { return data + row * row_bytes; }
};

class Int8 : public WeightForm {
 public:
  bool is_in(const Weight& w) const override { return w.packed && w.packed->int8.bytes() > 0; }

  void pack(Context& ctx, Weight& weight) const override {
    const View w = value_of(weight);
    check_inputs(w.cols);
    const simd::Int8Layout layout = simd::int8_layout();
    Tensor& packed = weight.packed->int8;
    if (packed.bytes() == 0 || weight.packed->int8_layout != layout)
      packed = Tensor(ctx, 1, simd::int8_weight_bytes(w.rows, w.cols), DType::i8);
    weight.packed->int8_layout = layout;
    const ArenaScope scope(ctx.scratch);
    const ThreadScratch rows(ctx, simd::int8_row_bytes(w.cols) / 4);
    parallel_for(ctx.threads, 0, w.rows, kOutBlock, [&](std::int64_t first, std::int64_t last) {
      simd::pack_int8_weight(
          last - first, w.cols, from(f32(ConstView(w)), first),
          reinterpret_cast<std::int8_t*>(rows.mine()),
          static_cast<std::int8_t*>(packed.view().data) + simd::int8_weight_bytes(first, w.cols));
    });
  }

  bool replaces_value() const override { return true; }
  std::string layout(const Context&) const override {
    const simd::Int8Layout layout = simd::int8_layout();
    return "int8-" + std::to_string(layout.panel) + "x" + std::to_string(layout.group);
  }
  std::int64_t packed_bytes(std::int64_t out, std::int64_t in) const override {
    check_inputs(in);
    return simd::int8_weight_bytes(out, in);
  }
  Tensor* storage(PackedWeight& packed) const override { return &packed.int8; }
  DType storage_type() const override { return DType::i8; }
  void note_layout(PackedWeight& packed) const override {
    packed.int8_layout = simd::int8_layout();
  }

  void rows(Context& ctx, const Weight& w, ConstView ids, View y) const override {
    check_layout(w);
    for_looked_up_rows(ctx, ids, y, [&](std::int64_t id, float* row) {
      simd::unpack_int8_row(id, y.cols, panels_of(w), row);
    });
  }

  void forward(Context& ctx, const ConstView& x, const Weight& w, View y) const override {
    check_layout(w);
    const ArenaScope scope(ctx.scratch);
    const std::int64_t in = x.cols, bytes = simd::int8_row_bytes(in);
    const Quantized rows{scratch_array<std::uint8_t>(ctx, x.rows * bytes), bytes};
    for_rows(ctx, x.rows, in, [&](std::int64_t first, std::int64_t count) {
      simd::quantize_rows(count, in, from(f32(x), first), rows[first]);
    });
    for_result_blocks(ctx, y, [&](const ResultBlock& b) {
      simd::int8_gemm(b.rows, b.first_col, b.last_col, in, rows[b.row], panels_of(w),
                      from(f32(y), b.row));
    });
  }

  RowPlan plan_forward(Context&, const Weight& w) const override {
    check_layout(w);
    constexpr std::int64_t kRows = 128;
    return {kRows, kRows * simd::int8_row_bytes(w.value.cols) / 4, 0};
  }

  bool forward_rows(Context&, const ConstView& x, const Weight& w, View y,
                    float* scratch) const override {
    auto* const rows = reinterpret_cast<std::uint8_t*>(scratch);
    simd::quantize_rows(x.rows, x.cols, f32(x), rows);
    simd::int8_gemm(x.rows, 0, y.cols, x.cols, rows, panels_of(w), f32(y));
    return true;
  }
};

}  // namespace

const WeightForm& int8_form() {
  static const Int8 form;
  return form;
}

}  // namespace switchyard::cpu
