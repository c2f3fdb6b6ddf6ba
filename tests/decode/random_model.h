// SPDX-License-Identifier: Apache-2.0
// A small random model and sentences for it.
#pragma once

#include <memory>
#include <vector>

#include "src/core/rng.h"
#include "src/decode/search_options.h"
#include "src/nn/model.h"

namespace switchyard {

constexpr std::int64_t kVocab = 24;

inline ModelConfig small_config() {
  ModelConfig c;
  c.vocab_size = kVocab;
  c.d_model = 16;
  c.d_kv = 6;
  c.num_heads = 3;
  c.d_ff = 20;
  c.num_layers = 2;
  c.num_decoder_layers = 2;
  c.num_experts = 4;
  c.encoder_sparse = {false, true};
  c.decoder_sparse = {true, false};
  return c;
}

struct RandomModel {
  std::unique_ptr<Context> ctx = make_context({1, true});
  Model model;
  ParamBuffer values{*ctx, model.layout()};

  explicit RandomModel(std::uint64_t seed, const ModelConfig& config = small_config())
      : model(config) {
    initialise(*ctx, model, seed, {.hf = true}, values);
    // Attention and experts loud enough that the output depends on the source and the position.
    model.each_param([&](const Param& p) {
      const bool matrix = !p.vector && p.name != "shared.weight";
      scale(*ctx, matrix ? 3.0f : 1.0f, values[p], values[p]);
    });
    model.bind(*ctx, values);
  }
};

inline std::vector<Ids> random_sources(std::uint64_t seed, std::size_t count) {
  Rng rng(seed);
  std::vector<Ids> sources(count);
  for (Ids& s : sources) {
    const std::uint64_t length = 1 + rng.below(12);
    for (std::uint64_t i = 0; i < length; ++i)
      s.push_back(static_cast<std::int32_t>(2 + rng.below(kVocab - 2)));
    s.push_back(1);
  }
  return sources;
}

inline bool same_bits(const NBest& a, const NBest& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t r = 0; r < a.size(); ++r)
    if (a[r].ids != b[r].ids || a[r].score != b[r].score) return false;
  return true;
}
inline bool same_bits(const std::vector<NBest>& a, const std::vector<NBest>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t s = 0; s < a.size(); ++s)
    if (!same_bits(a[s], b[s])) return false;
  return true;
}

}  // namespace switchyard
