// SPDX-License-Identifier: Apache-2.0
// Models of a few hundred parameters with random values, and random batches for them.
#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "src/core/rng.h"
#include "src/nn/batch.h"
#include "src/nn/model.h"

namespace switchyard {

// 2 encoder and 1 decoder blocks, dense; fewer dimensions than any vector register has lanes, and
// num_heads * d_kv unequal to d_model.
inline ModelConfig tiny_config(std::vector<bool> encoder_sparse = {false, false},
                               std::vector<bool> decoder_sparse = {false}) {
  ModelConfig c;
  c.vocab_size = 7;
  c.d_model = 6;
  c.d_kv = 2;
  c.d_ff = 5;
  c.num_heads = 2;
  c.num_layers = static_cast<std::int64_t>(encoder_sparse.size());
  c.num_decoder_layers = static_cast<std::int64_t>(decoder_sparse.size());
  c.num_experts = 3;
  c.encoder_sparse = std::move(encoder_sparse);
  c.decoder_sparse = std::move(decoder_sparse);
  c.relative_attention_num_buckets = 6;
  c.relative_attention_max_distance = 5;
  return c;
}

// A model with its values, and a place for its gradient.
struct TinyModel {
  std::unique_ptr<Context> ctx;
  Model model;
  ParamBuffer values, grads;

  // Values far from 0, so that every path through the model matters.
  explicit TinyModel(const ModelConfig& config, ContextOptions options = {}, std::uint64_t seed = 1)
      : ctx(make_context(options)),
        model(config),
        values(*ctx, model.layout()),
        grads(*ctx, model.layout()) {
    Rng rng(seed);
    model.each_param([&](const Param& param) {
      std::vector<float> host(static_cast<std::size_t>(param.size()));
      const bool is_norm = param.name.find("norm") != std::string::npos;
      const double std = is_norm ? 0.2 : 0.8 / std::sqrt(static_cast<double>(param.cols));
      for (float& x : host) x = static_cast<float>((is_norm ? 1 : 0) + std * 1.5 * rng.normal());
      upload(*ctx, host.data(), param.size(), values[param]);
    });
    model.bind(*ctx, values);
    if (options.compute_type == DType::bf16) model.prepare(*ctx);
  }

  std::vector<float> read(ConstView view) {
    std::vector<float> host(static_cast<std::size_t>(view.size()));
    download(*ctx, view, host.data(), view.size());
    return host;
  }
};

// Sentences of the given lengths; the last id of each is eos, sentence i has the number 40 + i.
inline std::vector<Ids> random_sentences(const ModelConfig& config,
                                         const std::vector<std::int64_t>& lengths,
                                         std::uint64_t seed) {
  Rng rng(seed);
  std::vector<Ids> sentences;
  for (const std::int64_t length : lengths) {
    Ids ids;
    for (std::int64_t i = 1; i < length; ++i)
      ids.push_back(static_cast<std::int32_t>(
          2 + rng.below(static_cast<std::uint64_t>(config.vocab_size) - 2)));
    ids.push_back(static_cast<std::int32_t>(config.eos_token_id));
    sentences.push_back(ids);
  }
  return sentences;
}

inline HostBatch random_batch(const ModelConfig& config, const std::vector<std::int64_t>& source,
                              const std::vector<std::int64_t>& target, std::uint64_t seed) {
  HostBatch batch{
      random_sentences(config, source, seed), random_sentences(config, target, seed + 1), {}};
  for (std::uint32_t i = 0; i < source.size(); ++i) batch.sentence.push_back(40 + i);
  return batch;
}

}  // namespace switchyard
