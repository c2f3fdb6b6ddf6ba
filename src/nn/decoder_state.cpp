// SPDX-License-Identifier: Apache-2.0
#include "src/nn/decoder_state.h"

#include <cassert>

namespace switchyard {

DecoderState::DecoderState(Context& ctx, const Model& model, const std::vector<Ids>& sources,
                           std::int64_t beams, const CapacityOptions& capacity)
    : ctx_(ctx),
      model_(model),
      whole_(ctx.saved),
      cache_(ctx, model.config().num_decoder_layers, model.config().inner_dim()) {
  Pass pass;
  pass.capacity = capacity;
  ConstView ids;
  const Ragged source =
      upload_sequences(ctx, ctx.saved, sources, nullptr, model.config().vocab_size, ids);
  Stack::Saved saved;
  const View memory = model.encoder.forward(ctx, pass, ids, source, nullptr, saved);
  for (const Block& block : model.decoder.blocks)
    cross_.push_back(block.cross_attention->cross_keys(ctx, memory));

  std::int32_t offset = 0;
  for (std::size_t b = 0; b < sources.size(); ++b) {
    source_offsets_.push_back(offset);
    source_lengths_.push_back(static_cast<std::int32_t>(sources[b].size()));
    offset += source_lengths_.back();
    sentence_of_row_.insert(sentence_of_row_.end(), static_cast<std::size_t>(beams),
                            static_cast<std::int32_t>(b));
  }
  whole_mark_ = step_mark_ = ctx.saved.mark();
}

View DecoderState::step(const Ids& tokens) {
  assert(static_cast<std::int64_t>(tokens.size()) == rows());
  if (cache_.make_room(rows())) {
    ctx_.saved.release_to(whole_mark_);
    position_ = model_.decoder.position.forward(ctx_, cache_.capacity());
    step_mark_ = ctx_.saved.mark();
  }
  ctx_.saved.release_to(step_mark_);
  const View ids = ctx_.saved.make(rows(), 1, DType::i32);
  upload(ctx_, tokens.data(), rows(), ids);
  std::vector<std::int32_t> first, count;
  for (const std::int32_t sentence : sentence_of_row_) {
    first.push_back(source_offsets_[static_cast<std::size_t>(sentence)]);
    count.push_back(source_lengths_[static_cast<std::size_t>(sentence)]);
  }
  const View cross_first_key = ctx_.saved.make(rows(), 1, DType::i32);
  const View cross_key_count = ctx_.saved.make(rows(), 1, DType::i32);
  upload(ctx_, first.data(), rows(), cross_first_key);
  upload(ctx_, count.data(), rows(), cross_key_count);

  cache_.begin_step(rows());
  const View x = ctx_.saved.make(rows(), model_.config().d_model);
  embed(ctx_, model_.decoder.embedding->weight.value, ids, x);
  for (std::size_t i = 0; i < model_.decoder.blocks.size(); ++i)
    model_.decoder.blocks[i].step(ctx_, x, cache_, static_cast<std::int64_t>(i), position_,
                                  {cross_[i].k, cross_[i].v, cross_first_key, cross_key_count});
  cache_.end_step();

  RmsNorm::Saved saved;
  const View h = model_.decoder.final_norm.forward(ctx_, ctx_.saved, x, saved);
  scale(ctx_, model_.head_scale(), h, h);
  const View logits = ctx_.saved.make(rows(), model_.config().vocab_size);
  linear(ctx_, h, model_.head().weight, logits);
  return logits;
}

void DecoderState::reorder(const std::vector<std::int32_t>& parent) {
  ctx_.saved.release_to(step_mark_);
  const View index = ctx_.saved.make(static_cast<std::int64_t>(parent.size()), 1, DType::i32);
  upload(ctx_, parent.data(), index.rows, index);
  cache_.reorder(index);
  std::vector<std::int32_t> sentences;
  for (const std::int32_t row : parent)
    sentences.push_back(sentence_of_row_[static_cast<std::size_t>(row)]);
  sentence_of_row_ = std::move(sentences);
}

}  // namespace switchyard
