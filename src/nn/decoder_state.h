// SPDX-License-Identifier: Apache-2.0
// One step of the decoder for all live hypotheses: what every search is written over. A sentence
// enters a slot, which runs the encoder and computes the keys and values of cross-attention, and
// leaves it, both between any two steps; the rows of a step may be at different positions. Keys and
// values are in pools. For each hypothesis the host lists the pool rows it attends to, so it takes
// over the past of another hypothesis by copying that list, never keys and values.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "src/nn/batch.h"
#include "src/nn/kv_pool.h"
#include "src/nn/model.h"

namespace switchyard {

class DecoderState {
 public:
  // ctx and model must outlive this. Nothing else may use ctx.saved meanwhile; it is given back
  // when this is destroyed. The model's values may change while no slot is taken.
  DecoderState(Context& ctx, const Model& model);

  // Encodes `sources` (ids with eos, none empty) as one batch and returns the slot of each, with
  // `hypotheses` rows that have been given no token yet. Error(kData) if an id is not the model's.
  std::vector<std::int32_t> admit(const std::vector<Ids>& sources, std::int64_t hypotheses,
                                  const CapacityOptions& capacity);
  void release(std::int32_t slot);
  void release_all();

  struct Step {
    std::vector<std::int32_t> slots;  // in any order; the rows of a slot are consecutive
    Ids tokens;                       // for each row; decoder_start_token_id first
    std::vector<float> scores;        // for each row, uploaded for the search; may be empty
  };
  // Valid until the next call.
  struct Logits {
    View logits;  // [rows, vocab_size]: what follows the tokens
    View scores;  // [rows, 1]: Step::scores; empty if those are
  };
  // One upload.
  Logits step(const Step& step);

  // Hypothesis i of the slot continues what hypothesis parent[i] was.
  void reorder(std::int32_t slot, std::span<const std::int32_t> parent);

 private:
  struct Slot {
    bool taken = false;
    std::vector<std::int32_t> source_pages, source_rows;  // in cross_; rows by source token
    std::vector<std::int32_t> pages;                      // in self_; the hypotheses take turns
    // For each hypothesis, the rows in self_ of the tokens that it has been given.
    std::vector<std::vector<std::int32_t>> past, spare;
  };
  struct Uploaded;
  std::int32_t take_slot(std::int64_t source_len, std::int64_t hypotheses);
  std::int32_t take_row(Slot& slot, std::size_t hypothesis);
  Uploaded upload_step(const Step& step);
  void expand_position(std::int64_t length);

  Context& ctx_;
  const Model& model_;
  ArenaScope saved_;
  Arena::Mark start_;  // of ctx.saved
  KvPool self_, cross_;
  std::vector<Slot> slots_;
  std::vector<std::int32_t> free_slots_;
  std::vector<std::int32_t> packed_;  // what a step uploads
  Tensor bias_;                       // the position bias, for lengths up to bias_length_
  std::int64_t bias_length_ = 0;
  bool bias_is_stale_ = true;  // no slot was taken, so the model's values may have changed
};

}  // namespace switchyard
