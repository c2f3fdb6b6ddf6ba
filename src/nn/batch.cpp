// SPDX-License-Identifier: Apache-2.0
#include "src/nn/batch.h"

#include <algorithm>

#include "src/core/error.h"

namespace switchyard {

namespace {

ConstView upload_column(Context& ctx, Arena& arena, const Ids& values, std::int64_t cols = 1) {
  const auto count = static_cast<std::int64_t>(values.size());
  const View v = arena.make(count / cols, cols, DType::i32);
  upload(ctx, values.data(), count, v);
  return v;
}

void check_ids(const std::vector<Ids>& sequences, std::int64_t vocab_size) {
  for (const Ids& ids : sequences)
    for (const std::int32_t id : ids)
      check(id >= 0 && id < vocab_size, ErrorKind::kData, "token id ", id, ", expected 0 to ",
            vocab_size - 1, ": the vocabulary does not fit the model");
}

}  // namespace

Ragged upload_sequences(Context& ctx, Arena& arena, const std::vector<Ids>& sequences,
                        const std::vector<std::uint32_t>* sentence, std::int64_t vocab_size,
                        ConstView& ids) {
  check_ids(sequences, vocab_size);
  Ragged ragged;
  ragged.batch = static_cast<std::int64_t>(sequences.size());
  ragged.tokens = total_tokens(sequences);
  Ids flat, offsets{0}, tags;
  flat.reserve(static_cast<std::size_t>(ragged.tokens));
  offsets.reserve(sequences.size() + 1);
  if (sentence) tags.reserve(2 * flat.capacity());
  for (std::size_t b = 0; b < sequences.size(); ++b) {
    const Ids& sequence = sequences[b];
    flat.insert(flat.end(), sequence.begin(), sequence.end());
    offsets.push_back(static_cast<std::int32_t>(flat.size()));
    ragged.max_len = std::max(ragged.max_len, static_cast<std::int64_t>(sequence.size()));
    if (sentence) {
      for (std::size_t position = 0; position < sequence.size(); ++position) {
        tags.push_back(static_cast<std::int32_t>((*sentence)[b]));
        tags.push_back(static_cast<std::int32_t>(position));
      }
    }
  }
  const View all_offsets = arena.make_row(ragged.batch + 1, DType::i32);
  upload(ctx, offsets.data(), ragged.batch + 1, all_offsets);
  ragged.offsets = all_offsets;
  if (sentence) ragged.tags = upload_column(ctx, arena, tags, 2);
  ids = upload_column(ctx, arena, flat);
  return ragged;
}

Batch upload_batch(Context& ctx, Arena& arena, const HostBatch& host, const ModelConfig& config) {
  Batch batch;
  batch.source = upload_sequences(ctx, arena, host.source, &host.sentence, config.vocab_size,
                                  batch.source_ids);
  batch.target =
      upload_sequences(ctx, arena, host.target, &host.sentence, config.vocab_size, batch.labels);
  Ids shifted;
  shifted.reserve(static_cast<std::size_t>(batch.target.tokens));
  for (const Ids& target : host.target) {
    shifted.push_back(static_cast<std::int32_t>(config.decoder_start_token_id));
    shifted.insert(shifted.end(), target.begin(), target.end() - 1);
  }
  batch.target_ids = upload_column(ctx, arena, shifted);
  return batch;
}

}  // namespace switchyard
