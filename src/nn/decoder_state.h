// SPDX-License-Identifier: Apache-2.0
// One step of the decoder for all live hypotheses: the function that every search is written over.
// The encoder runs once, cross-attention's keys and values are computed once per sentence, self-
// attention's are cached. All rows are at the same position.
#pragma once

#include <cstdint>
#include <vector>

#include "src/nn/batch.h"
#include "src/nn/kv_cache.h"
#include "src/nn/model.h"

namespace switchyard {

class DecoderState {
 public:
  // Encodes `sources` (ids with eos, none empty); `beams` rows for each sentence, its rows
  // together. ctx and model must outlive this; it uses ctx.saved, which the caller must not touch
  // meanwhile, and gives it back when destroyed.
  DecoderState(Context& ctx, const Model& model, const std::vector<Ids>& sources,
               std::int64_t beams, const CapacityOptions& capacity);

  std::int64_t rows() const { return static_cast<std::int64_t>(sentence_of_row_.size()); }
  // How many tokens each row has been given.
  std::int64_t length() const { return cache_.length(); }

  // The logits [rows, vocab_size] that follow `tokens`, one id for each row (the first time
  // decoder_start_token_id). Valid until the next call of step() or reorder().
  View step(const Ids& tokens);

  // Row i goes on from what row parent[i] was. Fewer parents than rows: the others are dropped.
  void reorder(const std::vector<std::int32_t>& parent);

 private:
  Context& ctx_;
  const Model& model_;
  ArenaScope whole_;  // encoder output, cross keys and values
  std::vector<CrossKeys> cross_;
  std::vector<std::int32_t> source_offsets_, source_lengths_;  // by sentence
  std::vector<std::int32_t> sentence_of_row_;
  KvCache cache_;
  RelativeBias::Expanded position_;  // for the cache's capacity
  // Of ctx.saved: what follows depends on the cache's capacity; belongs to the current step.
  Arena::Mark whole_mark_, step_mark_;
};

}  // namespace switchyard
