// SPDX-License-Identifier: Apache-2.0
// Gradients of weights in bfloat16: dw += dy^T . x, a sum over tokens.
//
// oneDNN's bfloat16 matmuls are fastest on a packed right-hand side and a left-hand side that is
// not transposed, so both are rearranged first. Per token this costs a pass over n + k elements,
// against n * k multiplications for the matmul. x is packed kMostTokens tokens at a time; then dw
// is computed in stripes of its rows, each with a transposed stripe of dy, so that all three stay
// in a core's cache.
#pragma once

#include <cstdint>

#include "src/backend/cpu/onednn.h"

namespace switchyard::cpu {

// For weights [n, k]. Token counts are multiples of kBf16Rounding; dy [tokens, n] and x [tokens, k]
// have no gaps between their rows.
class Bf16Gradient {
 public:
  // Compiles a shape on first use, which must not happen in a parallel loop.
  Bf16Gradient(Context& ctx, std::int64_t n, std::int64_t k);

  // Computes the whole gradient on `threads` threads under OneThreadEach or, if that is 1, on the
  // calling thread, whose index is `thread`. `scratch` holds scratch_elements(). Returns false if
  // oneDNN failed.
  [[nodiscard]] bool run(int thread, int threads, std::int64_t tokens, const ConstView& dy,
                         const ConstView& x, View dw, Bf16* scratch) const;
  std::int64_t scratch_elements(std::int64_t tokens, int threads) const;

  // The same in steps, for at most kMostTokens tokens. `packed` holds packed_elements(); `scratch`
  // is the thread's own and holds stripe_elements().
  void pack(int threads, std::int64_t tokens, const Bf16* x, Bf16* packed) const;
  std::int64_t stripes() const { return (n_ + stripe_rows_ - 1) / stripe_rows_; }
  [[nodiscard]] bool run_stripe(int thread, std::int64_t stripe, std::int64_t tokens,
                                const Bf16* dy, const Bf16* packed, View dw, Bf16* scratch) const;
  std::int64_t packed_elements(std::int64_t tokens) const;
  std::int64_t stripe_elements(std::int64_t tokens) const { return stripe_rows_ * tokens; }

 private:
  std::int64_t n_, k_, stripe_rows_;
  const Bf16Matmul* stripe_;  // null if dw has fewer rows than a stripe
  const Bf16Matmul* rest_;    // of the last, narrower stripe; null if there is none
};

}  // namespace switchyard::cpu
