// SPDX-License-Identifier: Apache-2.0
// The decoder, one step at a time: the basis of every search. A sentence enters a slot, which runs
// the encoder and computes the keys and values of cross-attention once, and may leave it between
// any two steps; the rows of one step may be at different positions. Keys and values are in pools,
// and the host keeps the list of pool rows that each hypothesis attends to, so continuing another
// hypothesis copies a list, not keys.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "src/nn/batch.h"
#include "src/nn/kv_pool.h"
#include "src/nn/model.h"
#include "src/nn/phase.h"

namespace switchyard {

class DecoderState {
 public:
  // ctx and model must outlive this object, which has exclusive use of ctx.saved until it is
  // destroyed. The model's values may change while no slot is taken.
  DecoderState(Context& ctx, const Model& model);

  // Encodes `sources` (ids ending with eos, none empty) as one batch and returns a slot for each,
  // with `hypotheses` rows that have no tokens yet. Error(kData) if an id is not in the model's
  // vocabulary.
  std::vector<std::int32_t> admit(const std::vector<Ids>& sources, std::int64_t hypotheses,
                                  const CapacityOptions& capacity);
  void release(std::int32_t slot);
  void release_all();

  struct Step {
    std::vector<std::int32_t> slots;  // in any order; the rows of a slot are consecutive
    Ids tokens;                       // for each row; decoder_start_token_id at first
    std::vector<float> scores;        // for each row, uploaded for the search; may be empty
  };
  // Valid until the next call.
  struct Logits {
    View logits;  // [rows, vocab_size], of the next token
    View scores;  // [rows, 1]: Step::scores, or empty if those are
  };
  // Runs one step, with a single upload.
  Logits step(const Step& step);

  // Makes hypothesis i of the slot continue hypothesis parent[i]. Keys and values that no
  // hypothesis uses any longer are freed.
  void reorder(std::int32_t slot, std::span<const std::int32_t> parent);

  // Pool rows that hold keys and values: of source tokens and of the hypotheses' tokens.
  std::int64_t rows_in_use() const;

  // Stopped at first. The search that calls this object ends its own phase.
  DecodeClock& clock() { return clock_; }
  const DecodeClock& clock() const { return clock_; }

 private:
  struct Slot {
    bool taken = false;
    std::vector<std::int32_t> source_rows;  // in cross_, one per source token
    // For each hypothesis, the rows of its tokens in self_. Hypotheses share those of the tokens
    // that they have in common.
    std::vector<std::vector<std::int32_t>> past, spare;
  };
  struct Uploaded;
  std::int32_t take_slot(std::size_t source_len, std::int64_t hypotheses);
  void drop(Slot& slot, std::size_t hypothesis);
  Uploaded upload_step(const Step& step);
  void expand_position(std::int64_t length);

  Context& ctx_;
  const Model& model_;
  ArenaScope saved_;
  Arena::Mark start_;  // of ctx.saved
  KvPool self_, cross_;
  std::vector<Slot> slots_;
  std::vector<std::int32_t> free_slots_;
  std::vector<std::int32_t> packed_;  // a step's upload
  Tensor bias_;                       // the position bias, for lengths up to bias_length_
  std::int64_t bias_length_ = 0;
  bool bias_is_stale_ = true;  // the model's values may have changed while no slot was taken
  DecodeClock clock_;
};

}  // namespace switchyard
