// SPDX-License-Identifier: Apache-2.0
// The yardstick of the benches: which matmuls a model's pass consists of, and how fast oneDNN alone
// does them. A bench's mfu is the FLOPs of these matmuls over its time, over this rate. Attention's
// own products (queries by keys, probabilities by values) are not counted.
#pragma once

#include <cstdint>
#include <vector>

#include "src/core/dtype.h"
#include "src/nn/config.h"

namespace switchyard::bench {

// [m, k] times [k, n], `count` times a step.
struct Matmul {
  std::int64_t m = 0, k = 0, n = 0;
  double count = 1;
  double flops() const {
    return 2.0 * static_cast<double>(m) * static_cast<double>(k) * static_cast<double>(n) * count;
  }
};
using Matmuls = std::vector<Matmul>;

double flops(const Matmuls& matmuls);

// The forward matmuls of `tokens` rows through the encoder; through the decoder and head without
// cross-attention's keys and values; and those two, of `tokens` source rows. A sparse layer's rows
// are spread over its experts evenly.
Matmuls encoder_matmuls(const ModelConfig& config, std::int64_t tokens);
Matmuls decoder_matmuls(const ModelConfig& config, std::int64_t tokens);
Matmuls cross_key_matmuls(const ModelConfig& config, std::int64_t source_tokens);
// For every y = x . w^T also dx = dy . w and dw = dy^T . x.
Matmuls with_backward(const Matmuls& forward);
Matmuls operator+(Matmuls a, const Matmuls& b);
// A training step's, of a batch with these tokens.
Matmuls training_matmuls(const ModelConfig& config, std::int64_t source_tokens,
                         std::int64_t target_tokens);

// GFLOP/s of oneDNN with the mix of `matmuls`: total FLOPs over the sum of each shape's median
// time in a loop of its own, with the fastest of three weight layouts (packed, [k, n], [n, k]).
// `workers` threads at once, each with `threads` inside oneDNN: their sum. f32 or bf16 (bf16 in and
// out, where oneDNN has it: else Error(kUsage)). Takes about `seconds`.
double gemm_gflops(const Matmuls& matmuls, DType dtype, int workers, int threads, double seconds);

}  // namespace switchyard::bench
