// SPDX-License-Identifier: Apache-2.0
#include "bench/decode_rates.h"

#include <algorithm>
#include <cmath>

namespace switchyard::bench {

std::int64_t rows_per_step(const TranslatorOptions& options, const TextSize& text) {
  return std::min(options.mini_batch, text.sentences) * options.search.num_beams;
}

Matmuls translation_matmuls(const ModelConfig& config, const TranslatorOptions& options,
                            const TextSize& text) {
  const double batch = static_cast<double>(std::min(options.mini_batch, text.sentences));
  const double batches = static_cast<double>(text.sentences) / batch;
  const double steps = static_cast<double>(text.target_tokens) / batch;
  const auto batch_tokens =
      static_cast<std::int64_t>(static_cast<double>(text.source_tokens) / batches + 0.5);
  Matmuls all = encoder_matmuls(config, batch_tokens) + cross_key_matmuls(config, batch_tokens);
  for (Matmul& x : all) x.count *= batches;
  Matmuls step = decoder_matmuls(config, rows_per_step(options, text));
  for (Matmul& x : step) x.count *= steps;
  return all + step;
}

double step_weights(const ModelConfig& config, std::int64_t rows) {
  const auto d_model = static_cast<double>(config.d_model);
  const double attention = d_model * static_cast<double>(config.inner_dim());
  const double ffn = d_model * static_cast<double>(config.d_ff) * (config.is_gated_act ? 3 : 2);
  const auto experts = static_cast<double>(config.num_experts);
  const double chosen =
      experts * (1 - std::pow(1 - 1 / experts, static_cast<double>(rows)));  // experts
  double sum = d_model * static_cast<double>(config.vocab_size);             // the head
  for (const bool sparse : config.decoder_sparse) {
    sum += 6 * attention;  // q, k, v, o; cross q, o
    sum += sparse ? d_model * experts + chosen * ffn : ffn;
  }
  return sum;
}

}  // namespace switchyard::bench
