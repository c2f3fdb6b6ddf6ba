// SPDX-License-Identifier: Apache-2.0
// The benches' yardstick: the matmuls in a pass through a model, and how fast oneDNN alone runs
// them. A bench's mfu is the FLOP/s it achieves on these matmuls divided by this rate. Attention's
// own matmuls (queries by keys, probabilities by values) are not counted.
#pragma once

#include <cstdint>
#include <vector>

#include "src/core/dtype.h"
#include "src/nn/config.h"

namespace switchyard::bench {

// [m, k] times [k, n], `count` times per step.
struct Matmul {
  std::int64_t m = 0, k = 0, n = 0;
  double count = 1;
  double flops() const {
    return 2.0 * static_cast<double>(m) * static_cast<double>(k) * static_cast<double>(n) * count;
  }
};
using Matmuls = std::vector<Matmul>;

double flops(const Matmuls& matmuls);

// The forward matmuls for `tokens` rows: of the encoder; of the decoder and head, except
// cross-attention's keys and values; and of those, for `source_tokens` rows. A sparse layer's rows
// are spread evenly over its experts.
Matmuls encoder_matmuls(const ModelConfig& config, std::int64_t tokens);
Matmuls decoder_matmuls(const ModelConfig& config, std::int64_t tokens);
Matmuls cross_key_matmuls(const ModelConfig& config, std::int64_t source_tokens);
// Adds dx = dy . w and dw = dy^T . x for every y = x . w^T.
Matmuls with_backward(const Matmuls& forward);
Matmuls operator+(Matmuls a, const Matmuls& b);
// The matmuls of a training step on a batch with these token counts.
Matmuls training_matmuls(const ModelConfig& config, std::int64_t source_tokens,
                         std::int64_t target_tokens);

// Measures oneDNN's GFLOP/s on the mix of `matmuls`: their FLOPs over the sum of each shape's
// median time, each measured in its own loop in the fastest of three weight layouts (packed, [k,
// n], [n, k]). Summed over `workers` concurrent threads, each with `threads` threads inside oneDNN.
// f32, or bf16 in and out; Error(kUsage) if oneDNN has no such matmul here. Takes about `seconds`.
double gemm_gflops(const Matmuls& matmuls, DType dtype, int workers, int threads, double seconds);

}  // namespace switchyard::bench
