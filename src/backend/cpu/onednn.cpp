// SPDX-License-Identifier: Apache-2.0
#include "src/backend/cpu/onednn.h"

#include <dnnl.h>
#include <omp.h>

#include <dnnl.hpp>
#include <string>

#include "simd/pack_bf16.h"
#include "src/backend/cpu/views.h"
#include "src/core/error.h"
#include "src/core/memory.h"

namespace switchyard::cpu {

namespace {

using dnnl::memory;

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
           const ConstView& a, const ConstView& b, float beta, View c) {
  if (m == 0 || n == 0 || (k == 0 && beta == 1)) return true;
  return dnnl_sgemm(trans_a, trans_b, m, n, k, 1.0f, f32(a).data, a.row_stride, f32(b).data,
                    b.row_stride, beta, f32(c).data, c.row_stride) == dnnl_success;
}

// The most address space observed for a primitive's code; little of it is touched.
constexpr std::int64_t kCodeBytes = std::int64_t{2} << 20;

std::int64_t largest_size(const Bf16Matmul::Shape& shape) {
  switch (shape.kind) {
    case Bf16Matmul::kFixedRows:
      return kBf16Rounding;
    case Bf16Matmul::kTokens:
      return kMostTokens;
    case Bf16Matmul::kRows:
      break;
  }
  return shape.n * shape.k <= kCachedElements ? kSmallTile : kLargeTile;
}

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

}  // namespace

std::string onednn_description() {
  const dnnl_version_t* version = dnnl_version();
  return "oneDNN " + std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
         std::to_string(version->patch) + " (" + isa_name(dnnl_get_effective_cpu_isa()) + ")";
}

// oneDNN uses as many threads as OpenMP would give the caller, and one inside a parallel region.
// But a loop that runs on one thread is not a parallel region.
OneThreadEach::OneThreadEach() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
OneThreadEach::~OneThreadEach() { omp_set_num_threads(before_); }

// Dynamic teams are a per-thread setting, and a context may be used on a thread other than the one
// that made it: see openmp_team().
void use_threads(const Context& ctx) {
  omp_set_dynamic(0);
  omp_set_num_threads(ctx.threads);
}

bool gemm_nt(const ConstView& x, const ConstView& w, float beta, View y) {
  assert(x.cols == w.cols && y.cols == w.rows && y.rows == x.rows);
  return sgemm('N', 'T', x.rows, w.rows, w.cols, x, w, beta, y);
}

bool gemm_nn(const ConstView& dy, const ConstView& w, float beta, View dx) {
  assert(dy.cols == w.rows && dx.cols == w.cols && dx.rows == dy.rows);
  return sgemm('N', 'N', dy.rows, w.cols, w.rows, dy, w, beta, dx);
}

bool gemm_tn(const ConstView& dy, const ConstView& x, float beta, View dw) {
  assert(dy.rows == x.rows && dw.rows == dy.cols && dw.cols == x.cols);
  return sgemm('T', 'N', dy.cols, x.cols, dy.rows, dy, x, beta, dw);
}

void check_matmul(bool ok) {
  check(ok, ErrorKind::kRuntime, "oneDNN: a matmul failed: out of memory");
}

namespace {

bool has_isa(dnnl_cpu_isa_t isa) { return (dnnl_get_effective_cpu_isa() & isa) == isa; }

}  // namespace

bool has_native_bf16() { return has_isa(dnnl_cpu_isa_avx512_core_bf16); }
bool has_amx_bf16() { return has_isa(dnnl_cpu_isa_avx512_core_amx); }

// The primitive for one size, and the arguments of each thread's calls.
struct Bf16Matmul::OneSize {
  OneSize(const Shape& shape, std::int64_t size, int threads) {
    using tag = memory::format_tag;
    constexpr auto bf16 = memory::data_type::bf16, f32 = memory::data_type::f32;
    const bool rows = shape.kind != kTokens;
    const auto out = shape.out == DType::bf16 ? bf16 : f32;
    const memory::desc a(rows ? memory::dims{size, shape.k} : memory::dims{shape.n, size}, bf16,
                         tag::ab);
    const memory::desc b(rows ? memory::dims{shape.k, shape.n} : memory::dims{size, shape.k}, bf16,
                         tag::BA16a64b2a);
    const memory::desc c(rows ? memory::dims{size, shape.n} : memory::dims{shape.n, shape.k}, out,
                         tag::ab);
    dnnl::primitive_attr attr;
    attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    if (shape.add) {
      dnnl::post_ops sum;
      sum.append_sum(1);
      attr.set_post_ops(sum);
    }
#if DNNL_VERSION_MAJOR >= 3
    const dnnl::matmul::primitive_desc description(engine(), a, b, c, attr);
#else
    const dnnl::matmul::primitive_desc description(dnnl::matmul::desc(a, b, c), attr, engine());
#endif
    primitive = dnnl::matmul(description);
    const memory::desc space = description.scratchpad_desc();
    for (int t = 0; t < threads; ++t) {
      callers.push_back({memory(a, engine(), nullptr), memory(b, engine(), nullptr),
                         memory(c, engine(), nullptr), memory(space, engine()),
                         dnnl::stream(engine())});
    }
  }

  struct Caller {
    memory a, b, c, space;
    dnnl::stream stream;
  };
  dnnl::matmul primitive;
  std::vector<Caller> callers;
};

Bf16Matmul::Bf16Matmul(const Shape& shape, int threads)
    : shape_(shape), max_size_(largest_size(shape)) {
  if (!has_native_bf16()) return;
  // oneDNN 2.6 terminates the process if it runs out of memory while compiling.
  const std::int64_t code = max_size_ / kBf16Rounding * kCodeBytes;
  const std::int64_t available = available_memory_bytes();
  check(available >= code, ErrorKind::kRuntime, "not enough memory: ", code,
        " bytes needed to compile bfloat16 matmuls of ", shape.n, " by ", shape.k, ", ", available,
        " available");
  // oneDNN compiles for as many threads as OpenMP would give the caller.
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  try {
    for (std::int64_t size = kBf16Rounding; size <= max_size_; size += kBf16Rounding)
      sizes_.push_back(std::make_unique<OneSize>(shape, size, threads));
  } catch (const dnnl::error& e) {
    omp_set_num_threads(before);
    fail(ErrorKind::kRuntime, "oneDNN: cannot compile a bfloat16 matmul of ", shape.n, " by ",
         shape.k, ": ", e.what());
  }
  omp_set_num_threads(before);
}

Bf16Matmul::~Bf16Matmul() = default;

bool Bf16Matmul::run(int thread, std::int64_t size, const Bf16* a, const Bf16* b, void* c) const {
  assert(size > 0 && size % kBf16Rounding == 0 && size <= max_size_);
  if (sizes_.empty()) {
    run_plain(size, a, b, c);
    return true;
  }
  const OneSize& one = *sizes_[static_cast<std::size_t>(size / kBf16Rounding - 1)];
  const OneSize::Caller& mine = one.callers[static_cast<std::size_t>(thread)];
  const auto place = [](const memory& m, const void* data) {
    return dnnl_memory_set_data_handle(m.get(), const_cast<void*>(data)) == dnnl_success;
  };
  if (!place(mine.a, a) || !place(mine.b, b) || !place(mine.c, c)) return false;
  const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, mine.a.get()},
                                       {DNNL_ARG_WEIGHTS, mine.b.get()},
                                       {DNNL_ARG_DST, mine.c.get()},
                                       {DNNL_ARG_SCRATCHPAD, mine.space.get()}};
  return dnnl_primitive_execute(one.primitive.get(), mine.stream.get(), 4, arguments) ==
         dnnl_success;
}

void Bf16Matmul::run_plain(std::int64_t size, const Bf16* a, const Bf16* b, void* c) const {
  const bool by_rows = shape_.kind != kTokens;
  const std::int64_t rows = by_rows ? size : shape_.n, cols = by_rows ? shape_.n : shape_.k;
  const std::int64_t depth = by_rows ? shape_.k : size;
  const auto value = [](Bf16 x) { return bf16_to_f32(x.bits); };
  const std::int64_t panel = simd::packed_bf16_panel_size(depth);
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < cols; ++j) {
      const Bf16* column = b + j / simd::kBf16PanelCols * panel;
      float sum = 0;
      for (std::int64_t l = 0; l < depth; ++l)
        sum += value(a[i * depth + l]) * value(column[simd::packed_bf16_index(l, j)]);
      if (shape_.out == DType::bf16) {
        Bf16& to = static_cast<Bf16*>(c)[i * cols + j];
        to = {f32_to_bf16(shape_.add ? value(to) + sum : sum)};
      } else {
        float& to = static_cast<float*>(c)[i * cols + j];
        to = shape_.add ? to + sum : sum;
      }
    }
  }
}

const Bf16Matmul& Bf16Matmuls::get(Context& ctx, const Bf16Matmul::Shape& shape) {
  if (const auto found = matmuls_.find(shape); found != matmuls_.end()) return *found->second;
  assert(!omp_in_parallel());
  auto matmul = std::make_unique<Bf16Matmul>(shape, ctx.threads);
  ctx.counts.compiled += matmul->primitives();
  return *matmuls_.emplace(shape, std::move(matmul)).first->second;
}

}  // namespace switchyard::cpu
