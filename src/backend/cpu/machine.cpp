// SPDX-License-Identifier: Apache-2.0
// Contexts, memory, copies between host and backend, elementwise arithmetic.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "simd/convert.h"
#include "simd/rows.h"
#include "simd/targets.h"
#include "src/backend/cpu/onednn.h"
#include "src/backend/cpu/views.h"
#include "src/core/error.h"
#include "src/core/memory.h"
#include "src/core/round.h"
#if defined(__SSE2__)
#include <pmmintrin.h>
#include <xmmintrin.h>
#endif

namespace switchyard {

namespace {

using cpu::any;
using cpu::from;
using cpu::i32;

constexpr std::size_t kHugePage = std::size_t{2} << 20;
// Blocks of at least this size are mapped. On the heap, caches and arenas that outgrow a block
// would leave holes: glibc stops mapping such blocks once it has freed one, and before 2.38 it
// rarely fills a hole with an aligned block.
constexpr std::size_t kMapped = std::size_t{128} << 10;

[[noreturn]] void out_of_memory(std::size_t bytes) {
  fail(ErrorKind::kRuntime, "out of memory: ", bytes, " bytes could not be allocated");
}

std::size_t page_bytes() {
  static const auto bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

void* map_pages(std::size_t bytes) {
  void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) out_of_memory(bytes);
  return mapped;
}

// Large blocks are fresh zero pages, untouched until used and aligned so that the kernel can back
// them with huge pages. The mapping ends with the block: a huge page for the last few kilobytes
// would cost hundreds of megabytes in a model with many matrices.
void* map_huge_pages(std::size_t bytes) {
  const std::size_t size = round_up(bytes, page_bytes());
  auto* begin = static_cast<std::byte*>(map_pages(size + kHugePage));
  const std::size_t head = round_up(reinterpret_cast<std::uintptr_t>(begin), kHugePage) -
                           reinterpret_cast<std::uintptr_t>(begin);
  if (head > 0) munmap(begin, head);
  munmap(begin + head + size, kHugePage - head);
  madvise(begin + head, size, MADV_HUGEPAGE);  // a hint: harmless if ignored
  return begin + head;
}

// Rows that are a multiple of this apart map to the same few cache sets: a matmul that walks down
// the columns of two such matrices (a weight's gradient) then runs at two thirds of its speed.
constexpr std::size_t kAliasingBytes = 2048;

class HostMemory : public Memory {
 public:
  // bfloat16 matmuls need matrices without gaps between rows.
  explicit HostMemory(bool without_gaps) : without_gaps_(without_gaps) {}

  void* allocate(std::size_t bytes) override {
    if (bytes >= kHugePage) return map_huge_pages(bytes);
    if (bytes >= kMapped) return map_pages(bytes);
    const std::size_t size = round_up(bytes, kAlignment);
    void* data = std::aligned_alloc(kAlignment, size);
    if (!data) out_of_memory(bytes);
    return std::memset(data, 0, size);
  }
  void release(void* data, std::size_t bytes) noexcept override {
    if (bytes >= kHugePage) {
      munmap(data, round_up(bytes, page_bytes()));
    } else if (bytes >= kMapped) {
      munmap(data, bytes);
    } else {
      std::free(data);
    }
  }
  std::size_t row_pitch(std::size_t row_bytes) const override {
    return without_gaps_ || row_bytes % kAliasingBytes != 0 ? row_bytes : row_bytes + kAlignment;
  }

 private:
  bool without_gaps_;
};

// Denormal results and operands become 0: arithmetic on them is many times slower on some machines.
// PyTorch's set_flush_denormal does the same.
void flush_denormals() {
#if defined(__SSE2__)
  _MM_SET_FLUSH_ZERO_MODE(_MM_FLUSH_ZERO_ON);
  _MM_SET_DENORMALS_ZERO_MODE(_MM_DENORMALS_ZERO_ON);
#endif
}

template <class T>
void copy_in(const T* host, [[maybe_unused]] std::int64_t count, const View& to) {
  assert(count == to.size() && size_bytes(to.dtype) == sizeof(T));
  auto* data = static_cast<T*>(to.data);
  for (std::int64_t r = 0; r < to.rows; ++r)
    std::memcpy(data + r * to.row_stride, host + r * to.cols,
                static_cast<std::size_t>(to.cols) * sizeof(T));
}

template <class T>
void copy_out(const ConstView& x, [[maybe_unused]] std::int64_t count, T* host) {
  assert(count == x.size() && size_bytes(x.dtype) == sizeof(T));
  const auto* data = static_cast<const T*>(x.data);
  for (std::int64_t r = 0; r < x.rows; ++r)
    std::memcpy(host + r * x.cols, data + r * x.row_stride,
                static_cast<std::size_t>(x.cols) * sizeof(T));
}

// Calls f on pieces of x and y. Matrices without gaps are split as one long row, so that a flat
// buffer [1, n] also keeps all threads busy.
template <class F>
void elementwise(Context& ctx, const ConstView& x, const View& y, F&& f) {
  assert(x.rows == y.rows && x.cols == y.cols);
  if (x.contiguous() && y.contiguous()) {
    parallel_for(ctx.threads, 0, y.size(), std::int64_t{1} << 15,
                 [&](std::int64_t first, std::int64_t last) {
                   f(1, last - first, cpu::columns_from(any(x), first),
                     cpu::columns_from(any(y), first));
                 });
  } else {
    cpu::for_rows(ctx, y.rows, y.cols, [&](std::int64_t first, std::int64_t count) {
      f(count, y.cols, from(any(x), first), from(any(y), first));
    });
  }
}

}  // namespace

// OpenMP keeps a thread pool per calling thread; the denormal flags are set in this caller's.
std::unique_ptr<Context> make_context(const ContextOptions& options) {
  check(options.threads >= 1, ErrorKind::kUsage, "threads ", options.threads,
        ", expected at least 1");
  const bool in_bf16 = options.compute_type == DType::bf16;
  auto ctx = std::make_unique<Context>(std::make_shared<HostMemory>(in_bf16), options.compute_type);
  ctx->threads = openmp_team(options.threads);
  ctx->row_invariant = options.row_invariant;
  if (in_bf16) ctx->device = {new Device, {[](Device* device) { delete device; }}};
#pragma omp parallel num_threads(ctx->threads)
  flush_denormals();
  return ctx;
}

std::string backend_description() { return simd::target_name() + ", " + cpu::onednn_description(); }

bool computes_natively(DType type) {
  return type == DType::f32 || type == DType::i8 || (type == DType::bf16 && cpu::has_native_bf16());
}

Defaults backend_defaults(int threads) {
  // For training, a divisor of the number of threads. With more workers, each would get few
  // sentences of a batch but still need its own gradient buffer.
  constexpr int kMostWorkers = 4;
  Defaults defaults;
  defaults.training_workers = std::min(threads, kMostWorkers);
  while (threads % defaults.training_workers != 0) --defaults.training_workers;
  defaults.translation_workers = threads;
  return defaults;
}

std::int64_t available_memory(const Context&) { return available_memory_bytes(); }

void finish(Context&) {}  // calls are synchronous

void upload(Context& ctx, const float* host, std::int64_t count, View to) {
  ++ctx.counts.uploads;
  copy_in(host, count, to);
}
void upload(Context& ctx, const std::int32_t* host, std::int64_t count, View to) {
  ++ctx.counts.uploads;
  copy_in(host, count, to);
}
void download(Context& ctx, ConstView x, float* host, std::int64_t count) {
  ++ctx.counts.downloads;
  copy_out(x, count, host);
}
void download(Context& ctx, ConstView x, std::int32_t* host, std::int64_t count) {
  ++ctx.counts.downloads;
  copy_out(x, count, host);
}

void fill(Context& ctx, float value, View y) {
  ++ctx.counts.fills;
  elementwise(ctx, y, y, [&](std::int64_t rows, std::int64_t cols, simd::AnyIn, simd::AnyOut to) {
    simd::fill(rows, cols, value, to);
  });
}

void copy(Context& ctx, ConstView x, View y) {
  if (x.dtype != DType::i32) return elementwise(ctx, x, y, simd::convert);
  assert(x.rows == y.rows && x.cols == y.cols && y.dtype == DType::i32);
  for (std::int64_t r = 0; r < x.rows; ++r) std::copy_n(i32(x)[r], x.cols, i32(y)[r]);
}

void add(Context& ctx, ConstView x, View y) {
  assert(x.dtype == DType::f32 && y.dtype == DType::f32);
  elementwise(ctx, x, y, [](std::int64_t rows, std::int64_t cols, simd::AnyIn a, simd::AnyOut b) {
    simd::add(rows, cols, simd::rows_of<float>(a), simd::rows_of<float>(b));
  });
}

void scale(Context& ctx, float factor, ConstView x, View y) {
  elementwise(ctx, x, y, [&](std::int64_t rows, std::int64_t cols, simd::AnyIn a, simd::AnyOut b) {
    simd::scale(rows, cols, factor, a, b);
  });
}

}  // namespace switchyard
