// SPDX-License-Identifier: Apache-2.0
// Products of bfloat16 matrices with f32 sums: what training computes in where the machine has
// instructions for them (AVX512_BF16, AMX).
//
// oneDNN 2.6 compiles a matmul primitive for each shape, takes only matrices without gaps between
// their rows, and is fastest on a right-hand side in the order of simd/pack_bf16.h and a left-hand
// side that is not transposed: where tokens are summed over, both are brought in order first, a
// pass over memory that grows with their rows while the product grows with rows times columns.
// Ragged batches have another number of tokens each step, so what varies is cut into pieces of few
// sizes, all of them multiples of kBf16Rounding and all compiled when the first is wanted:
// - rows of x: tiles of at most 64 rows, or 256 where the weight does not fit into a core's cache;
// - in a weight's gradient, where tokens are summed over: pieces of at most kMostTokens, for
//   stripes of as many of its rows as a tile has.
// Matrices that are multiplied are therefore read, and results written, up to a multiple of
// kBf16Rounding rows: within the capacity of a token matrix, and experts start at such multiples.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "src/backend/backend.h"
#include "src/core/round.h"

namespace switchyard::cpu {

constexpr std::int64_t kBf16Rounding = 16;
// The most tokens that one product sums over.
constexpr std::int64_t kMostTokens = 512;

constexpr std::int64_t bf16_rounded(std::int64_t rows) { return round_up(rows, kBf16Rounding); }

// Whether the machine multiplies bfloat16, within ONEDNN_MAX_CPU_ISA. Where it does not, the
// products below are done by plain loops: for tests.
bool has_native_bf16();

// The products of one shape in all sizes of what varies. run() may be called by several threads at
// a time, each with its number below the context's thread count.
class Bf16Product {
 public:
  enum Kind {
    kRows,    // c [size, n] = a [size, k] . b, b [k, n] packed
    kTokens,  // c [n, k] += a [n, size] . b, b [size, k] packed; f32: see TokenProducts
  };
  struct Shape {
    Kind kind;
    std::int64_t n, k;
    DType out;  // kRows: f32 or bf16
    bool add;   // kRows: c +=
    auto operator<=>(const Shape&) const = default;
  };
  Bf16Product(const Shape& shape, int threads);
  ~Bf16Product();

  std::int64_t max_size() const { return max_size_; }
  std::int64_t primitives() const { return static_cast<std::int64_t>(sizes_.size()); }
  // By the caller alone, where it is in a parallel loop or under OneThreadEach. size a multiple of
  // kBf16Rounding, at most max_size(). False where oneDNN failed.
  [[nodiscard]] bool run(int thread, std::int64_t size, const Bf16* a, const Bf16* b,
                         void* c) const;

 private:
  struct OneSize;
  void run_plain(std::int64_t size, const Bf16* a, const Bf16* b, void* c) const;

  Shape shape_;
  std::int64_t max_size_;
  std::vector<std::unique_ptr<OneSize>> sizes_;
};

// The products that a context has made so far. A shape that is there already may be asked for by
// several threads at a time.
class Bf16Products {
 public:
  // A new shape is compiled: not in a parallel loop.
  const Bf16Product& get(const Context& ctx, const Bf16Product::Shape& shape);
  std::int64_t primitives() const { return primitives_; }

 private:
  std::map<Bf16Product::Shape, std::unique_ptr<Bf16Product>> products_;
  std::int64_t primitives_ = 0;
};

// Gradients of weights [n, k]: dw += dy [tokens, n]^T . x [tokens, k], tokens a multiple of
// kBf16Rounding. x is packed a piece of tokens at a time; then dw goes by stripes of its rows, each
// with a transposed stripe of dy, so that all three stay in a core's cache.
class TokenProducts {
 public:
  TokenProducts(Context& ctx, std::int64_t n, std::int64_t k);

  // All of it by `threads` threads under OneThreadEach; 1: by the caller, which is number `thread`.
  // Uses scratch_elements() of `scratch`. False where oneDNN failed.
  [[nodiscard]] bool run(int thread, int threads, std::int64_t tokens, const ConstView& dy,
                         const ConstView& x, const View& dw, Bf16* scratch) const;
  std::int64_t scratch_elements(std::int64_t tokens, int threads) const;

  // Its steps, for a piece of at most kMostTokens tokens. dy [tokens, n] and x without gaps;
  // `packed` of packed_elements(), `scratch` of stripe_elements(), the thread's own.
  void pack(int threads, std::int64_t tokens, const Bf16* x, Bf16* packed) const;
  std::int64_t stripes() const { return (n_ + stripe_rows_ - 1) / stripe_rows_; }
  [[nodiscard]] bool run_stripe(int thread, std::int64_t stripe, std::int64_t tokens,
                                const Bf16* dy, const Bf16* packed, const View& dw,
                                Bf16* scratch) const;
  std::int64_t packed_elements(std::int64_t tokens) const;
  std::int64_t stripe_elements(std::int64_t tokens) const { return stripe_rows_ * tokens; }

 private:
  std::int64_t n_, k_, stripe_rows_;
  const Bf16Product* stripe_;  // null where dw has fewer rows than one
  const Bf16Product* rest_;    // of the last, narrower stripe; null where there is none
};

}  // namespace switchyard::cpu

namespace switchyard {

// Of a context that computes in bfloat16.
struct Device {
  cpu::Bf16Products bf16_products;
};

}  // namespace switchyard
