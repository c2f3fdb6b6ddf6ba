// SPDX-License-Identifier: Apache-2.0
// The matmuls that oneDNN computes. No other file calls oneDNN.
//
// float32 goes through dnnl_sgemm on the exact shapes: nothing is compiled per shape, and nothing
// past the last token is read.
//
// bfloat16 (AVX512_BF16, AMX) goes through matmul primitives. oneDNN 2.6 compiles one for each
// shape, accepts only matrices without gaps between rows, and is fastest if the right-hand side is
// in the layout of simd/pack_bf16.h and the left-hand side is not transposed. Ragged batches have a
// different number of tokens in every step, so the varying dimension is split into pieces of a few
// sizes, all multiples of kBf16Rounding and all compiled when a shape is first used.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "src/backend/backend.h"
#include "src/core/round.h"

namespace switchyard::cpu {

// "oneDNN 2.6.3 (AVX2)"
std::string onednn_description();

// While one exists, oneDNN uses only the calling thread: for matmuls inside a parallel loop.
class OneThreadEach {
 public:
  OneThreadEach();
  ~OneThreadEach();
  OneThreadEach(const OneThreadEach&) = delete;
  OneThreadEach& operator=(const OneThreadEach&) = delete;

 private:
  int before_;
};
// Lets oneDNN's next calls from this thread use all threads of the context.
void use_threads(const Context& ctx);

// Throws Error(kRuntime) unless ok. The functions below return false if oneDNN is out of memory,
// because nothing may throw inside a parallel loop.
void check_matmul(bool ok);

// --- float32 -------------------------------------------------------------------------------------

// beta 0: the result is overwritten, 1: added to.
// y [T, out] = x [T, in] . w [out, in]^T
[[nodiscard]] bool gemm_nt(const ConstView& x, const ConstView& w, float beta, View y);
// dx [T, in] = dy [T, out] . w [out, in]
[[nodiscard]] bool gemm_nn(const ConstView& dy, const ConstView& w, float beta, View dx);
// dw [out, in] = dy [T, out]^T . x [T, in]
[[nodiscard]] bool gemm_tn(const ConstView& dy, const ConstView& x, float beta, View dw);

// --- bfloat16 ------------------------------------------------------------------------------------

constexpr std::int64_t kBf16Rounding = 16;
// The largest number of tokens that one matmul sums over.
constexpr std::int64_t kMostTokens = 512;

constexpr std::int64_t bf16_rounded(std::int64_t rows) { return round_up(rows, kBf16Rounding); }

// A larger weight does not fit in a 1 MiB L2 cache.
constexpr std::int64_t kCachedElements = std::int64_t{1} << 19;
// Rows per tile: large if the right-hand side does not fit in that cache, to read it less often.
constexpr std::int64_t kSmallTile = 64, kLargeTile = 256;

// Returns true if the machine, as capped by ONEDNN_MAX_CPU_ISA, has bfloat16 instructions. Without
// them, the matmuls below run as plain loops, for tests.
bool has_native_bf16();
// The same for AMX, which computes tiles of 16 rows.
bool has_amx_bf16();

// The matmuls of one shape, for all sizes of the varying dimension. Several threads may call run()
// at the same time, each with its own index below the context's number of threads.
class Bf16Matmul {
 public:
  enum Kind {
    kRows,       // c [size, n] = a [size, k] . b, b [k, n] packed; size up to 64 or 256
    kFixedRows,  // the same, but size is kBf16Rounding: a row's bits depend on that row alone
    kTokens,     // c [n, k] += a [n, size] . b, b [size, k] packed, f32; size up to kMostTokens
  };
  struct Shape {
    Kind kind;
    std::int64_t n, k;
    DType out;  // f32 or bf16; kTokens: f32
    bool add;   // c += instead of c =; always for kTokens
    auto operator<=>(const Shape&) const = default;
  };
  Bf16Matmul(const Shape& shape, int threads);
  ~Bf16Matmul();

  std::int64_t max_size() const { return max_size_; }
  std::int64_t primitives() const { return static_cast<std::int64_t>(sizes_.size()); }
  // Runs on the calling thread alone if called in a parallel loop or under OneThreadEach. size is a
  // multiple of kBf16Rounding, at most max_size(). Returns false if oneDNN failed.
  [[nodiscard]] bool run(int thread, std::int64_t size, const Bf16* a, const Bf16* b,
                         void* c) const;

 private:
  struct OneSize;
  void run_plain(std::int64_t size, const Bf16* a, const Bf16* b, void* c) const;

  Shape shape_;
  std::int64_t max_size_;
  std::vector<std::unique_ptr<OneSize>> sizes_;
};

// The matmuls that a context has compiled so far. Several threads may call get() at the same time
// for shapes that are already compiled.
class Bf16Matmuls {
 public:
  // Compiles a shape on first use, which must not happen in a parallel loop.
  const Bf16Matmul& get(Context& ctx, const Bf16Matmul::Shape& shape);

 private:
  std::map<Bf16Matmul::Shape, std::unique_ptr<Bf16Matmul>> matmuls_;
};

}  // namespace switchyard::cpu

namespace switchyard {

// The state of a context that computes in bfloat16.
struct Device {
  cpu::Bf16Matmuls bf16_matmuls;
};

}  // namespace switchyard
