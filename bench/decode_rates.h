// SPDX-License-Identifier: Apache-2.0
// What a run of translation is judged by: its matmuls, and the weights that each step reads.
#pragma once

#include <cstdint>

#include "bench/gemm_rate.h"
#include "src/decode/translator.h"
#include "src/nn/config.h"

namespace switchyard::bench {

// The text of a run: how many sentences, and the tokens of both sides, eos included.
struct TextSize {
  std::int64_t sentences = 0, source_tokens = 0, target_tokens = 0;
};

// The rows of a step that is as full as it can be: a row for each hypothesis of a batch.
std::int64_t rows_per_step(const TranslatorOptions& options, const TextSize& text);

// All matmuls of the text, in the shapes of full batches. Without a forced length, all hypotheses
// are taken to be as long as the best ones.
Matmuls translation_matmuls(const ModelConfig& config, const TranslatorOptions& options,
                            const TextSize& text);

// The number of matmul weights that a step with `rows` rows reads: all of the decoder's but experts
// that no row is routed to. Rows are routed independently and evenly, so E experts of which each
// row chooses one are E (1 - (1 - 1/E)^rows) on average.
double step_weights(const ModelConfig& config, std::int64_t rows);

}  // namespace switchyard::bench
