// SPDX-License-Identifier: Apache-2.0
// Matrix products of the contract, and packed weights.
#include "src/backend/cpu/matmul.h"

#include <dnnl.h>
#include <omp.h>

#include <atomic>

#include "simd/convert.h"
#include "simd/pack_bf16.h"
#include "simd/packed_gemm.h"
#include "simd/reduce.h"
#include "simd/rows.h"
#include "simd/targets.h"
#include "src/backend/cpu/bf16_gemm.h"
#include "src/backend/cpu/views.h"
#include "src/core/error.h"

namespace switchyard {

namespace cpu {

namespace {

const char* isa_name(dnnl_cpu_isa_t isa) {
  switch (isa) {  // the names that oneDNN 2.6 and 3 share
    case dnnl_cpu_isa_sse41:
      return "SSE41";
    case dnnl_cpu_isa_avx:
      return "AVX";
    case dnnl_cpu_isa_avx2:
      return "AVX2";
    case dnnl_cpu_isa_avx2_vnni:
      return "AVX2_VNNI";
    case dnnl_cpu_isa_avx512_core:
      return "AVX512_CORE";
    case dnnl_cpu_isa_avx512_core_vnni:
      return "AVX512_CORE_VNNI";
    case dnnl_cpu_isa_avx512_core_bf16:
      return "AVX512_CORE_BF16";
    case dnnl_cpu_isa_avx512_core_amx:
      return "AVX512_CORE_AMX";
    default:
      return "a newer instruction set";
  }
}

bool sgemm(char trans_a, char trans_b, std::int64_t m, std::int64_t n, std::int64_t k,
           const ConstView& a, const ConstView& b, float beta, const View& c) {
  if (m == 0 || n == 0 || (k == 0 && beta == 1)) return true;
  return dnnl_sgemm(trans_a, trans_b, m, n, k, 1.0f, f32(a).data, a.row_stride, f32(b).data,
                    b.row_stride, beta, f32(c).data, c.row_stride) == dnnl_success;
}

// A weight's outputs are cut into pieces of whole panels for the threads.
constexpr std::int64_t kRowBlock = 96;
constexpr std::int64_t kOutBlock = 256;  // a multiple of every target's panel

void packed_linear(Context& ctx, const ConstView& x, const float* packed, const View& y) {
  const std::int64_t out = y.cols, in = x.cols;
  const std::int64_t row_blocks = (x.rows + kRowBlock - 1) / kRowBlock;
  const std::int64_t out_blocks = (out + kOutBlock - 1) / kOutBlock;
  parallel_for(ctx.threads, 0, row_blocks * out_blocks, 1, [&](std::int64_t task, std::int64_t) {
    const std::int64_t row = task % row_blocks * kRowBlock;
    const std::int64_t col = task / row_blocks * kOutBlock;
    simd::packed_gemm(std::min(kRowBlock, x.rows - row), col, std::min(out, col + kOutBlock), in,
                      from(f32(x), row), packed, from(f32(y), row));
  });
}

// The panels for row-invariant products; null where the weight was not prepared for them.
const float* panels_of(const Weight& w) {
  return w.packed && w.packed->panels.bytes() > 0 ? f32(w.packed->panels.view()).data : nullptr;
}

// y (=|+=) x [rows, k] . b, b [k, n] packed; tiles of rows for the threads.
void bf16_rows_product(Context& ctx, const ConstView& x, const Tensor& b, const View& y, bool add) {
  if (x.rows == 0) return;
  assert(y.contiguous() && x.row_capacity >= bf16_rounded(x.rows) &&
         y.row_capacity >= bf16_rounded(x.rows));
  const Bf16Product& product =
      ctx.device->bf16_products.get(ctx, {Bf16Product::kRows, y.cols, x.cols, y.dtype, add});
  const Bf16* packed = bf16(b.view());
  const std::int64_t rows = bf16_rounded(x.rows), tile = product.max_size();
  const OneThreadEach one_thread_each;
  std::atomic<bool> ok = true;
  parallel_tasks(ctx.threads, (rows + tile - 1) / tile, [&](std::int64_t i) {
    const std::int64_t first = i * tile, size = std::min(tile, rows - first);
    const auto* a = bf16(x) + first * x.cols;
    if (!product.run(omp_get_thread_num(), size, a, packed, from(any(y), first).data)) ok = false;
  });
  check_gemm(ok);
}

// dw += dy^T . x, by all threads together.
void bf16_tokens_product(Context& ctx, const ConstView& dy, const ConstView& x, const View& dw) {
  const std::int64_t tokens = bf16_rounded(dy.rows);
  // The rows past the last token are summed over, too.
  for (const ConstView& v : {dy, x})
    simd::fill(tokens - v.rows, v.cols, 0, any(padding_of(v, tokens - v.rows)));
  const TokenProducts products(ctx, dy.cols, x.cols);
  ArenaScope scope(ctx.scratch);
  auto* scratch = scratch_array<Bf16>(ctx, products.scratch_elements(tokens, ctx.threads));
  const OneThreadEach one_thread_each;
  check_gemm(products.run(0, ctx.threads, tokens, dy, x, dw, scratch));
}

// Makes oneDNN's next calls from this thread use the context's threads. Dynamic teams are a setting
// of each thread, and a context may be used by another than the one that made it: openmp_team().
void use_threads(const Context& ctx) {
  omp_set_dynamic(0);
  omp_set_num_threads(ctx.threads);
}

// A matrix as f32: itself, or a copy in scratch.
ConstView as_f32(Context& ctx, const ConstView& x) {
  if (!x || x.dtype == DType::f32) return x;
  const View y = ctx.scratch.make(x.rows, x.cols);
  copy(ctx, x, y);
  return y;
}

void pack_bf16(Context& ctx, Weight& weight) {
  const View& w = weight.value;
  if (!has_bf16_form(weight)) {
    const auto elements = [](std::int64_t k, std::int64_t n) {
      return simd::packed_bf16_panels(n) * simd::packed_bf16_panel_size(k);
    };
    weight.packed->bf16_transposed = Tensor(ctx, 1, elements(w.cols, w.rows), DType::bf16);
    weight.packed->bf16 = Tensor(ctx, 1, elements(w.rows, w.cols), DType::bf16);
  }
  parallel_for(ctx.threads, 0, simd::packed_bf16_panels(w.rows), 1,
               [&](std::int64_t panel, std::int64_t) { pack_bf16_rows(weight, panel); });
}

}  // namespace

std::string onednn_description() {
  const dnnl_version_t* version = dnnl_version();
  return "oneDNN " + std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
         std::to_string(version->patch) + " (" + isa_name(dnnl_get_effective_cpu_isa()) + ")";
}

// oneDNN asks OpenMP for the calling thread's maximum, and is sequential inside a parallel region;
// a loop that runs on one thread is none.
OneThreadEach::OneThreadEach() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
OneThreadEach::~OneThreadEach() { omp_set_num_threads(before_); }

bool gemm_nt(const ConstView& x, const ConstView& w, float beta, const View& y) {
  assert(x.cols == w.cols && y.cols == w.rows && y.rows == x.rows);
  return sgemm('N', 'T', x.rows, w.rows, w.cols, x, w, beta, y);
}

bool gemm_nn(const ConstView& dy, const ConstView& w, float beta, const View& dx) {
  assert(dy.cols == w.rows && dx.cols == w.cols && dx.rows == dy.rows);
  return sgemm('N', 'N', dy.rows, w.cols, w.rows, dy, w, beta, dx);
}

bool gemm_tn(const ConstView& dy, const ConstView& x, float beta, const View& dw) {
  assert(dy.rows == x.rows && dw.rows == dy.cols && dw.cols == x.cols);
  return sgemm('T', 'N', dy.cols, x.cols, dy.rows, dy, x, beta, dw);
}

void check_gemm(bool ok) {
  check(ok, ErrorKind::kRuntime, "oneDNN: a matrix product failed: out of memory");
}

bool computes_in_bf16(const Context& ctx, const Weight& w) {
  return ctx.compute_type == DType::bf16 && has_bf16_form(w);
}

bool has_bf16_form(const Weight& w) { return w.packed && w.packed->bf16.bytes() > 0; }

// A panel of the transposed matrix, and a stretch of rows of every panel of the plain one.
void pack_bf16_rows(const Weight& weight, std::int64_t panel) {
  const View& w = weight.value;
  Bf16* const transposed = bf16(weight.packed->bf16_transposed.view());
  simd::pack_bf16_transposed(w.cols, w.rows, f32(w), panel,
                             transposed + panel * simd::packed_bf16_panel_size(w.cols));
  const std::int64_t first = panel * simd::kBf16PanelCols;
  const std::int64_t rows = std::min(simd::kBf16PanelCols, w.rows - first);
  const std::int64_t block = weight.is_head ? first / kHeadBlock * kHeadBlock : 0;
  const std::int64_t block_rows = weight.is_head ? std::min(kHeadBlock, w.rows - block) : w.rows;
  const std::int64_t panels = simd::packed_bf16_panels(w.cols);
  Bf16* const plain = bf16(weight.packed->bf16.view()) + panels * (block * simd::kBf16PanelCols) +
                      (first - block) * simd::kBf16PanelCols;
  for (std::int64_t p = 0; p < panels; ++p)
    simd::pack_bf16(rows, w.cols, from(f32(w), first), p,
                    plain + p * simd::packed_bf16_panel_size(block_rows));
}

void check_layout(const Weight& w) {
  if (!panels_of(w)) return;
  const std::int64_t packed = w.packed->panel_outputs, now = simd::packed_gemm_panel();
  check(packed == now, ErrorKind::kRuntime, "a weight was packed in panels of ", packed,
        " outputs, but the kernels (", simd::target_name(), ") read panels of ", now,
        ": the instruction set has changed since prepare_weight()");
}

std::int64_t packing_floats(const Weight& w) {
  return panels_of(w) ? 0 : simd::packed_gemm_floats(w.value.rows, w.value.cols);
}

void row_invariant_linear(const ConstView& x, const Weight& w, const View& y, float* scratch) {
  const View& value = w.value;
  const float* packed = panels_of(w);
  if (!packed) {
    simd::pack_weight(value.rows, value.cols, f32(value), scratch);
    packed = scratch;
  }
  simd::packed_gemm(x.rows, 0, y.cols, x.cols, f32(x), packed, f32(y));
}

}  // namespace cpu

using cpu::f32;
using cpu::from;

void prepare_weight(Context& ctx, Weight& weight) {
  const bool in_bf16 = ctx.compute_type == DType::bf16;
  if (in_bf16 && weight.keep_f32) return;
  if (!weight.packed) weight.packed = std::make_shared<PackedWeight>();
  if (in_bf16) return cpu::pack_bf16(ctx, weight);
  const View& w = weight.value;
  Tensor& panels = weight.packed->panels;
  if (panels.bytes() == 0 || weight.packed->panel_outputs != simd::packed_gemm_panel())
    panels = Tensor(ctx, 1, simd::packed_gemm_floats(w.rows, w.cols));
  weight.packed->panel_outputs = simd::packed_gemm_panel();
  simd::pack_weight(w.rows, w.cols, f32(w), f32(panels.view()).data);
}

void linear(Context& ctx, ConstView x, const Weight& w, View y) {
  ArenaScope scope(ctx.scratch);
  if (cpu::computes_in_bf16(ctx, w)) {
    cpu::bf16_rows_product(ctx, x, w.packed->bf16_transposed, y, false);
  } else if (y.dtype == DType::bf16) {
    const View sums = ctx.scratch.make(y.rows, y.cols);
    linear(ctx, x, w, sums);
    copy(ctx, sums, y);
  } else if (!ctx.row_invariant) {
    const ConstView x_f32 = cpu::as_f32(ctx, x);
    cpu::use_threads(ctx);
    cpu::check_gemm(cpu::gemm_nt(x_f32, w.value, 0, y));
  } else if (const float* panels = cpu::panels_of(w)) {
    cpu::check_layout(w);
    cpu::packed_linear(ctx, x, panels, y);
  } else {
    float* packed = cpu::scratch_array<float>(ctx, cpu::packing_floats(w));
    simd::pack_weight(w.value.rows, w.value.cols, f32(w.value), packed);
    cpu::packed_linear(ctx, x, packed, y);
  }
}

namespace {

// Backward is training's alone: in f32 it goes through dnnl_sgemm in every context.
void backward_input(Context& ctx, const ConstView& dy, const Weight& w, const View& dx, bool add) {
  if (cpu::computes_in_bf16(ctx, w)) {
    assert(!w.is_head);
    return cpu::bf16_rows_product(ctx, dy, w.packed->bf16, dx, add);
  }
  ArenaScope scope(ctx.scratch);
  const ConstView dy_f32 = cpu::as_f32(ctx, dy);
  const View dx_f32 = dx.dtype == DType::bf16 ? ctx.scratch.make(dx.rows, dx.cols) : dx;
  cpu::use_threads(ctx);
  cpu::check_gemm(cpu::gemm_nn(dy_f32, w.value, add ? 1 : 0, dx_f32));
  if (dx.dtype == DType::bf16) copy(ctx, dx_f32, dx);
}

}  // namespace

void linear_backward_input(Context& ctx, ConstView dy, const Weight& w, View dx) {
  backward_input(ctx, dy, w, dx, false);
}

void linear_backward_input_add(Context& ctx, ConstView dy, const Weight& w, View dx) {
  backward_input(ctx, dy, w, dx, true);
}

void linear_backward_weight(Context& ctx, ConstView x, const Weight& w, ConstView dy, View dw) {
  if (cpu::computes_in_bf16(ctx, w)) {
    assert(!w.is_head);
    return cpu::bf16_tokens_product(ctx, dy, x, dw);
  }
  ArenaScope scope(ctx.scratch);
  const ConstView dy_f32 = cpu::as_f32(ctx, dy), x_f32 = cpu::as_f32(ctx, x);
  cpu::use_threads(ctx);
  cpu::check_gemm(cpu::gemm_tn(dy_f32, x_f32, 1, dw));
}

void add_bias(Context& ctx, ConstView bias, View y) {
  cpu::for_rows(ctx, y.rows, y.cols, [&](std::int64_t first, std::int64_t count) {
    simd::add_bias(count, y.cols, f32(bias).data, from(f32(y), first));
  });
}

void bias_backward(Context& ctx, ConstView dy, View grad_bias) {
  cpu::sum_row_blocks(ctx, dy.rows, dy.cols, f32(grad_bias).data,
                      [&](std::int64_t first, std::int64_t count, float* partial) {
                        simd::add_column_sums(count, dy.cols, from(f32(dy), first), partial);
                      });
}

}  // namespace switchyard
