// SPDX-License-Identifier: Apache-2.0
#include "src/nn/decoder_state.h"

#include <algorithm>
#include <bit>
#include <cassert>

namespace switchyard {

namespace {

constexpr std::int64_t kFirstLength = 32;  // minimum length of the expanded position bias

}  // namespace

DecoderState::DecoderState(Context& ctx, const Model& model)
    : ctx_(ctx),
      model_(model),
      saved_(ctx.saved),
      start_(ctx.saved.mark()),
      self_(ctx, model.config().num_decoder_layers, model.config().inner_dim()),
      cross_(ctx, model.config().num_decoder_layers, model.config().inner_dim()) {}

std::vector<std::int32_t> DecoderState::admit(const std::vector<Ids>& sources,
                                              std::int64_t hypotheses,
                                              const CapacityOptions& capacity) {
  clock_.end(DecodePhase::search);
  ctx_.saved.release_to(start_);
  if (free_slots_.size() == slots_.size()) bias_is_stale_ = true;
  Pass pass;
  pass.capacity = capacity;
  ConstView ids;
  const Ragged source =
      upload_sequences(ctx_, ctx_.saved, sources, model_.config().vocab_size, ids);
  Stack::Saved saved;
  const View memory = model_.encoder.forward(ctx_, pass, ids, source, nullptr, saved);

  std::vector<std::int32_t> slots, rows;
  for (const Ids& ids_of_source : sources) {
    slots.push_back(take_slot(ids_of_source.size(), hypotheses));
    const std::vector<std::int32_t>& own =
        slots_[static_cast<std::size_t>(slots.back())].source_rows;
    rows.insert(rows.end(), own.begin(), own.end());
  }
  const View index = ctx_.saved.make(source.tokens, 1, DType::i32);
  upload(ctx_, rows.data(), source.tokens, index);
  for (std::size_t i = 0; i < model_.decoder.blocks.size(); ++i) {
    const auto b = static_cast<std::int64_t>(i);
    model_.decoder.blocks[i].cross_attention->store_keys(ctx_, memory,
                                                         {cross_.keys(b), cross_.values(b), index});
  }
  clock_.end(DecodePhase::encoder);
  return slots;
}

std::int32_t DecoderState::take_slot(std::size_t source_len, std::int64_t hypotheses) {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<std::int32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const std::int32_t number = free_slots_.back();
  free_slots_.pop_back();
  Slot& slot = slots_[static_cast<std::size_t>(number)];
  slot.taken = true;
  slot.past.resize(static_cast<std::size_t>(hypotheses));
  slot.spare.resize(slot.past.size());
  while (slot.source_rows.size() < source_len) slot.source_rows.push_back(cross_.take());
  return number;
}

void DecoderState::release(std::int32_t number) {
  Slot& slot = slots_[static_cast<std::size_t>(number)];
  assert(slot.taken);
  slot.taken = false;
  for (const std::int32_t row : slot.source_rows) cross_.give_back(row);
  slot.source_rows.clear();
  for (std::size_t h = 0; h < slot.past.size(); ++h) drop(slot, h);
  free_slots_.push_back(number);
}

void DecoderState::release_all() {
  for (std::size_t s = 0; s < slots_.size(); ++s)
    if (slots_[s].taken) release(static_cast<std::int32_t>(s));
}

// Ends a hypothesis and frees the rows that it shares with no other. Hypotheses that share a row
// also share all earlier ones.
void DecoderState::drop(Slot& slot, std::size_t hypothesis) {
  std::vector<std::int32_t>& rows = slot.past[hypothesis];
  for (; !rows.empty(); rows.pop_back()) {
    const std::size_t position = rows.size() - 1;
    const auto shares = [&](const std::vector<std::int32_t>& other) {
      return &other != &rows && position < other.size() && other[position] == rows[position];
    };
    if (std::any_of(slot.past.begin(), slot.past.end(), shares)) break;
    self_.give_back(rows[position]);
  }
  rows.clear();
}

// Views into one step's upload.
struct DecoderState::Uploaded {
  View tokens, own_row, self_first, self_count, cross_first, cross_count, scores;  // [rows, 1]
  View index;                                                                      // [1, n]
};

DecoderState::Uploaded DecoderState::upload_step(const Step& step) {
  enum Column { kToken, kOwnRow, kSelfFirst, kSelfCount, kCrossFirst, kCrossCount, kScore, kAll };
  const std::size_t rows = step.tokens.size();
  packed_.assign(kAll * rows, 0);
  const auto at = [&](Column column, std::size_t row) -> std::int32_t& {
    return packed_[static_cast<std::size_t>(column) * rows + row];
  };
  const auto add_list = [&](const std::vector<std::int32_t>& list) {
    const std::size_t first = packed_.size() - kAll * rows;
    packed_.insert(packed_.end(), list.begin(), list.end());
    return static_cast<std::int32_t>(first);
  };
  std::size_t r = 0;
  for (const std::int32_t number : step.slots) {
    Slot& slot = slots_[static_cast<std::size_t>(number)];
    const std::int32_t cross_first = add_list(slot.source_rows);
    for (std::size_t h = 0; h < slot.past.size(); ++h, ++r) {
      assert(r < rows);
      at(kToken, r) = step.tokens[r];
      at(kOwnRow, r) = self_.take();
      slot.past[h].push_back(at(kOwnRow, r));
      at(kSelfCount, r) = static_cast<std::int32_t>(slot.past[h].size());
      at(kCrossFirst, r) = cross_first;
      at(kCrossCount, r) = static_cast<std::int32_t>(slot.source_rows.size());
      if (!step.scores.empty()) at(kScore, r) = std::bit_cast<std::int32_t>(step.scores[r]);
      // Last, since add_list() may reallocate packed_.
      const std::int32_t self_first = add_list(slot.past[h]);
      at(kSelfFirst, r) = self_first;
    }
  }
  assert(r == rows);

  const auto size = static_cast<std::int64_t>(packed_.size());
  const auto count = static_cast<std::int64_t>(rows);
  const View all = ctx_.saved.make_row(size, DType::i32);
  upload(ctx_, packed_.data(), size, all);
  const auto column = [&](Column c) { return all.matrix(c * count, count, 1); };
  Uploaded parts{column(kToken),      column(kOwnRow),
                 column(kSelfFirst),  column(kSelfCount),
                 column(kCrossFirst), column(kCrossCount),
                 column(kScore),      all.slice_cols(kAll * count, size - kAll * count)};
  parts.scores.dtype = DType::f32;
  return parts;
}

void DecoderState::expand_position(std::int64_t length) {
  if (length <= bias_length_ && !bias_is_stale_) return;
  bias_is_stale_ = false;
  if (length > bias_length_) bias_length_ = std::max({length, 2 * bias_length_, kFirstLength});
  const ArenaScope scope(ctx_.saved);
  const ConstView bias = model_.decoder.position.forward(ctx_, bias_length_).bias;
  if (bias_.view().cols != bias.cols) bias_ = Tensor(ctx_, bias.rows, bias.cols);
  copy(ctx_, bias, bias_);
}

DecoderState::Logits DecoderState::step(const Step& step) {
  ctx_.saved.release_to(start_);
  const auto rows = static_cast<std::int64_t>(step.tokens.size());
  const Uploaded in = upload_step(step);
  std::size_t longest = 0;
  for (const std::int32_t slot : step.slots)
    for (const auto& past : slots_[static_cast<std::size_t>(slot)].past)
      longest = std::max(longest, past.size());
  expand_position(static_cast<std::int64_t>(longest));
  const RelativeBias::Expanded position{.bias = bias_, .center = bias_length_ - 1};
  clock_.end(DecodePhase::search);

  const View x = ctx_.saved.make(rows, model_.config().d_model);
  embed(ctx_, model_.decoder.embedding->weight, in.tokens, x);
  for (std::size_t i = 0; i < model_.decoder.blocks.size(); ++i) {
    const auto b = static_cast<std::int64_t>(i);
    const StepKeys keys{
        {self_.keys(b), self_.values(b), in.index, in.self_first, in.self_count},
        {cross_.keys(b), cross_.values(b), in.index, in.cross_first, in.cross_count},
        {self_.keys(b), self_.values(b), in.own_row}};
    model_.decoder.blocks[i].step(ctx_, x, keys, position, clock_);
  }

  RmsNorm::Saved saved;
  const View h = model_.decoder.final_norm.forward(ctx_, ctx_.saved, x, saved);
  scale(ctx_, model_.head_scale(), h, h);
  const View logits = ctx_.saved.make(rows, model_.config().vocab_size);
  linear(ctx_, h, model_.head().weight, logits);
  clock_.end(DecodePhase::head);
  clock_.count_step();
  return {logits, step.scores.empty() ? View{} : in.scores};
}

void DecoderState::reorder(std::int32_t number, std::span<const std::int32_t> parent) {
  Slot& slot = slots_[static_cast<std::size_t>(number)];
  assert(parent.size() == slot.past.size());
  for (std::size_t h = 0; h < parent.size(); ++h)
    if (std::find(parent.begin(), parent.end(), static_cast<std::int32_t>(h)) == parent.end())
      drop(slot, h);
  for (std::size_t h = 0; h < parent.size(); ++h)
    slot.spare[h] = slot.past[static_cast<std::size_t>(parent[h])];
  std::swap(slot.past, slot.spare);
}

std::int64_t DecoderState::rows_in_use() const {
  return self_.rows() - self_.free_rows() + cross_.rows() - cross_.free_rows();
}

}  // namespace switchyard
