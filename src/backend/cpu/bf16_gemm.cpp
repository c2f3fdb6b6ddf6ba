// SPDX-License-Identifier: Apache-2.0
#include "src/backend/cpu/bf16_gemm.h"

#include <dnnl.h>
#include <omp.h>

#include <atomic>
#include <dnnl.hpp>
#include <string>

#include "simd/pack_bf16.h"
#include "src/backend/cpu/views.h"
#include "src/core/error.h"
#include "src/core/memory.h"

namespace switchyard::cpu {

namespace {

using dnnl::memory;

constexpr std::int64_t kSmallTile = 64, kLargeTile = 256;
// A packed weight of more elements does not stay in a second-level cache of 1 MiB from tile to
// tile: larger tiles read it less often.
constexpr std::int64_t kCachedElements = std::int64_t{1} << 19;
// The most address space that a primitive's code was seen to take; little of it is touched.
constexpr std::int64_t kCodeBytes = std::int64_t{2} << 20;

std::int64_t largest_size(const Bf16Product::Shape& shape) {
  if (shape.kind == Bf16Product::kTokens) return kMostTokens;
  return shape.n * shape.k <= kCachedElements ? kSmallTile : kLargeTile;
}

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

}  // namespace

bool has_native_bf16() {
  return (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core_bf16) ==
         dnnl_cpu_isa_avx512_core_bf16;
}

// The primitive of one size, and for each thread what it is called with.
struct Bf16Product::OneSize {
  OneSize(const Shape& shape, std::int64_t size, int threads) {
    using tag = memory::format_tag;
    constexpr auto bf16 = memory::data_type::bf16, f32 = memory::data_type::f32;
    const bool rows = shape.kind == kRows;
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

Bf16Product::Bf16Product(const Shape& shape, int threads)
    : shape_(shape), max_size_(largest_size(shape)) {
  if (!has_native_bf16()) return;
  // oneDNN 2.6 ends the process where it has no memory for what it compiles.
  const std::int64_t code = max_size_ / kBf16Rounding * kCodeBytes;
  const std::int64_t available = available_memory_bytes();
  check(available >= code, ErrorKind::kRuntime, "not enough memory: ", code,
        " bytes needed to compile bfloat16 products of ", shape.n, " by ", shape.k, ", ", available,
        " available");
  // oneDNN plans for the calling thread's maximum.
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  try {
    for (std::int64_t size = kBf16Rounding; size <= max_size_; size += kBf16Rounding)
      sizes_.push_back(std::make_unique<OneSize>(shape, size, threads));
  } catch (const dnnl::error& e) {
    omp_set_num_threads(before);
    fail(ErrorKind::kRuntime, "oneDNN: no bfloat16 product of ", shape.n, " by ", shape.k, ": ",
         e.what());
  }
  omp_set_num_threads(before);
}

Bf16Product::~Bf16Product() = default;

bool Bf16Product::run(int thread, std::int64_t size, const Bf16* a, const Bf16* b, void* c) const {
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

void Bf16Product::run_plain(std::int64_t size, const Bf16* a, const Bf16* b, void* c) const {
  const bool by_rows = shape_.kind == kRows;
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

const Bf16Product& Bf16Products::get(const Context& ctx, const Bf16Product::Shape& shape) {
  if (const auto found = products_.find(shape); found != products_.end()) return *found->second;
  assert(!omp_in_parallel());
  auto product = std::make_unique<Bf16Product>(shape, ctx.threads);
  primitives_ += product->primitives();
  return *products_.emplace(shape, std::move(product)).first->second;
}

// Where x is wide, large stripes read it less often; but each thread needs some of its own.
TokenProducts::TokenProducts(Context& ctx, std::int64_t n, std::int64_t k)
    : n_(n),
      k_(k),
      stripe_rows_(kMostTokens * k > kCachedElements && n >= 2 * kLargeTile * ctx.threads
                       ? kLargeTile
                       : kSmallTile) {
  const auto of_rows = [&](std::int64_t rows) {
    return rows == 0 ? nullptr
                     : &ctx.device->bf16_products.get(
                           ctx, {Bf16Product::kTokens, rows, k, DType::f32, true});
  };
  stripe_ = of_rows(n >= stripe_rows_ ? stripe_rows_ : 0);
  rest_ = of_rows(n % stripe_rows_);
}

std::int64_t TokenProducts::packed_elements(std::int64_t tokens) const {
  return simd::packed_bf16_panels(k_) * simd::packed_bf16_panel_size(tokens);
}

std::int64_t TokenProducts::scratch_elements(std::int64_t tokens, int threads) const {
  const std::int64_t most = std::min(tokens, kMostTokens);
  return packed_elements(most) + threads * stripe_elements(most);
}

void TokenProducts::pack(int threads, std::int64_t tokens, const Bf16* x, Bf16* packed) const {
  parallel_tasks(threads, simd::packed_bf16_panels(k_), [&](std::int64_t panel) {
    simd::pack_bf16(tokens, k_, simd::Rows<const Bf16>{x, k_}, panel,
                    packed + panel * simd::packed_bf16_panel_size(tokens));
  });
}

bool TokenProducts::run_stripe(int thread, std::int64_t stripe, std::int64_t tokens, const Bf16* dy,
                               const Bf16* packed, const View& dw, Bf16* scratch) const {
  const std::int64_t row = stripe * stripe_rows_, rows = std::min(stripe_rows_, n_ - row);
  simd::transpose_bf16(tokens, rows, {dy + row, n_}, {scratch, tokens});
  const Bf16Product& product = rows == stripe_rows_ ? *stripe_ : *rest_;
  return product.run(thread, tokens, scratch, packed, f32(dw)[row]);
}

bool TokenProducts::run(int thread, int threads, std::int64_t tokens, const ConstView& dy,
                        const ConstView& x, const View& dw, Bf16* scratch) const {
  std::atomic<bool> ok = true;
  for (std::int64_t first = 0; first < tokens; first += kMostTokens) {
    const std::int64_t size = std::min(kMostTokens, tokens - first);
    Bf16* const of_threads = scratch + packed_elements(size);
    pack(threads, size, bf16(x) + first * k_, scratch);
    parallel_tasks(threads, stripes(), [&](std::int64_t i) {
      const int own = threads == 1 ? 0 : omp_get_thread_num();
      if (!run_stripe(threads == 1 ? thread : own, i, size, bf16(dy) + first * n_, scratch, dw,
                      of_threads + own * stripe_elements(size)))
        ok = false;
    });
  }
  return ok;
}

}  // namespace switchyard::cpu
