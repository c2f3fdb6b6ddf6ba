// SPDX-License-Identifier: Apache-2.0
// The work in translating a text: its matmuls, and the weights that each step reads.
#pragma once

#include <cstdint>

#include "bench/gemm_rate.h"
#include "src/decode/translator.h"
#include "src/nn/config.h"

namespace switchyard::bench {

// The size of a text: sentences, and tokens on both sides, eos included.
struct TextSize {
  std::int64_t sentences = 0, source_tokens = 0, target_tokens = 0;
};

// The rows of a full step: one for each hypothesis of a batch.
std::int64_t rows_per_step(const TranslatorOptions& options, const TextSize& text);

// All matmuls of the text, in the shapes of full batches. Without a forced length, assumes that all
// hypotheses are as long as the best ones.
Matmuls translation_matmuls(const ModelConfig& config, const TranslatorOptions& options,
                            const TextSize& text);

// The number of matmul weights that a step with `rows` rows reads: all of the decoder's except
// those of experts that no row is routed to. Assumes that rows are routed independently and
// uniformly, so that on average E (1 - (1 - 1/E)^rows) of E experts are used.
double step_weights(const ModelConfig& config, std::int64_t rows);

}  // namespace switchyard::bench
