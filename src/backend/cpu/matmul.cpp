// SPDX-License-Identifier: Apache-2.0
// Matrix products through oneDNN (the only file that includes it), and packed weights.
#include "src/backend/cpu/matmul.h"

#include <dnnl.h>
#include <omp.h>

#include "simd/packed_gemm.h"
#include "simd/reduce.h"
#include "simd/rows.h"
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
           const View& a, const View& b, float beta, const View& c) {
  if (m == 0 || n == 0 || (k == 0 && beta == 1)) return true;
  return dnnl_sgemm(trans_a, trans_b, m, n, k, 1.0f, f32(a).data, a.row_stride, f32(b).data,
                    b.row_stride, beta, f32(c).data, c.row_stride) == dnnl_success;
}

// A weight's outputs are cut into pieces of whole panels for the threads.
constexpr std::int64_t kRowBlock = 96;
constexpr std::int64_t kOutBlock = 256;  // a multiple of every target's panel

void packed_linear(Context& ctx, const View& x, const float* packed, const View& y) {
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

bool gemm_nt(const View& x, const View& w, float beta, const View& y) {
  assert(x.cols == w.cols && y.cols == w.rows && y.rows == x.rows);
  return sgemm('N', 'T', x.rows, w.rows, w.cols, x, w, beta, y);
}

bool gemm_nn(const View& dy, const View& w, float beta, const View& dx) {
  assert(dy.cols == w.rows && dx.cols == w.cols && dx.rows == dy.rows);
  return sgemm('N', 'N', dy.rows, w.cols, w.rows, dy, w, beta, dx);
}

bool gemm_tn(const View& dy, const View& x, float beta, const View& dw) {
  assert(dy.rows == x.rows && dw.rows == dy.cols && dw.cols == x.cols);
  return sgemm('T', 'N', dy.cols, x.cols, dy.rows, dy, x, beta, dw);
}

void check_gemm(bool ok) {
  check(ok, ErrorKind::kRuntime, "oneDNN: a matrix product failed: out of memory");
}

std::int64_t packing_floats(const Weight& w) {
  return w.packed ? 0 : simd::packed_gemm_floats(w.value.rows, w.value.cols);
}

void row_invariant_linear(const View& x, const Weight& w, const View& y, float* scratch) {
  const View& value = w.value;
  if (!w.packed) simd::pack_weight(value.rows, value.cols, f32(value), scratch);
  const float* packed = w.packed ? f32(w.packed->data.view()).data : scratch;
  simd::packed_gemm(x.rows, 0, y.cols, x.cols, f32(x), packed, f32(y));
}

}  // namespace cpu

using cpu::f32;
using cpu::from;

void prepare_weight(Context& ctx, Weight& weight) {
  const View& w = weight.value;
  auto packed = std::make_shared<PackedWeight>();
  packed->data = Tensor(ctx, 1, simd::packed_gemm_floats(w.rows, w.cols));
  simd::pack_weight(w.rows, w.cols, f32(w), f32(packed->data.view()).data);
  weight.packed = std::move(packed);
}

void linear(Context& ctx, View x, const Weight& w, View y) {
  if (!ctx.row_invariant) {
    omp_set_num_threads(ctx.threads);
    cpu::check_gemm(cpu::gemm_nt(x, w.value, 0, y));
  } else if (w.packed) {
    cpu::packed_linear(ctx, x, f32(w.packed->data.view()).data, y);
  } else {
    ArenaScope scope(ctx.scratch);
    float* packed = cpu::scratch_array<float>(ctx, cpu::packing_floats(w));
    simd::pack_weight(w.value.rows, w.value.cols, f32(w.value), packed);
    cpu::packed_linear(ctx, x, packed, y);
  }
}

// Backward is training's alone: it goes through oneDNN in every context.
void linear_backward(Context& ctx, View x, const Weight& w, View dy, View dx, bool add_to_dx,
                     View dw) {
  omp_set_num_threads(ctx.threads);
  if (dx) cpu::check_gemm(cpu::gemm_nn(dy, w.value, add_to_dx ? 1 : 0, dx));
  if (dw) cpu::check_gemm(cpu::gemm_tn(dy, x, 1, dw));
}

void add_bias(Context& ctx, View bias, View y) {
  cpu::for_rows(ctx, y.rows, y.cols, [&](std::int64_t first, std::int64_t count) {
    simd::add_bias(count, y.cols, f32(bias).data, from(f32(y), first));
  });
}

void bias_backward(Context& ctx, View dy, View dbias) {
  cpu::sum_row_blocks(ctx, dy.rows, dy.cols, f32(dbias).data,
                      [&](std::int64_t first, std::int64_t count, float* partial) {
                        simd::add_column_sums(count, dy.cols, from(f32(dy), first), partial);
                      });
}

}  // namespace switchyard
