// SPDX-License-Identifier: Apache-2.0
#include "src/nn/batch.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include "src/core/error.h"
#include "src/core/round.h"

namespace switchyard {

namespace {

// Integer matrices on their way to the backend, all in one upload.
class IndexPack {
 public:
  explicit IndexPack(std::int64_t size) { values_.reserve(static_cast<std::size_t>(size)); }

  struct Place {
    std::int64_t begin, rows, cols;
  };
  void push(std::int64_t value) { values_.push_back(static_cast<std::int32_t>(value)); }
  void push(const Ids& ids) { values_.insert(values_.end(), ids.begin(), ids.end()); }
  // Ends a matrix: the values pushed since the previous one.
  Place end(std::int64_t rows, std::int64_t cols) {
    const Place place{begin_, rows, cols};
    begin_ += rows == 1 ? round_up(cols, kRowRounding) : round_up(rows, kRowRounding) * cols;
    values_.resize(static_cast<std::size_t>(begin_));
    return place;
  }
  // After the last matrix.
  void upload_all(Context& ctx, Arena& arena) {
    packed_ = arena.make_row(begin_, DType::i32);
    upload(ctx, values_.data(), begin_, packed_);
  }
  ConstView operator[](const Place& place) const {
    View v = packed_.matrix(place.begin, place.rows, place.cols);
    v.row_capacity = place.rows == 1 ? 1 : round_up(place.rows, kRowRounding);
    return v;
  }

 private:
  Ids values_;
  std::int64_t begin_ = 0;  // of the current matrix
  View packed_;
};

// Sequences with the places of what Ragged and the model need of them.
struct PackedSequences {
  Ragged ragged;  // without views
  IndexPack::Place ids, offsets;
  std::optional<IndexPack::Place> tags;
};

void check_ids(const std::vector<Ids>& sequences, std::int64_t vocab_size) {
  for (const Ids& ids : sequences)
    for (const std::int32_t id : ids)
      check(id >= 0 && id < vocab_size, ErrorKind::kData, "token id ", id, ", expected 0 to ",
            vocab_size - 1, ": the vocabulary does not fit the model");
}

// The values that pack_sequences() pushes, with `columns` of them per token.
std::int64_t packed_size(const std::vector<Ids>& sequences, std::int64_t columns) {
  return round_up(total_tokens(sequences), kRowRounding) * columns +
         round_up(std::ssize(sequences) + 1, kRowRounding);
}

PackedSequences pack_sequences(IndexPack& pack, const std::vector<Ids>& sequences,
                               const std::vector<std::uint32_t>* sentence,
                               std::int64_t vocab_size) {
  check_ids(sequences, vocab_size);
  PackedSequences packed;
  Ragged& ragged = packed.ragged;
  ragged.batch = std::ssize(sequences);
  ragged.tokens = total_tokens(sequences);
  for (const Ids& ids : sequences) pack.push(ids);
  packed.ids = pack.end(ragged.tokens, 1);
  std::int64_t offset = 0;
  pack.push(offset);
  for (const Ids& ids : sequences) {
    pack.push(offset += std::ssize(ids));
    ragged.max_len = std::max<std::int64_t>(ragged.max_len, std::ssize(ids));
  }
  packed.offsets = pack.end(1, ragged.batch + 1);
  if (!sentence) return packed;
  for (std::size_t b = 0; b < sequences.size(); ++b) {
    for (std::int64_t position = 0; position < std::ssize(sequences[b]); ++position) {
      pack.push(std::int64_t{(*sentence)[b]});
      pack.push(position);
    }
  }
  packed.tags = pack.end(ragged.tokens, 2);
  return packed;
}

Ragged uploaded(const IndexPack& pack, const PackedSequences& packed) {
  Ragged ragged = packed.ragged;
  ragged.offsets = pack[packed.offsets];
  if (packed.tags) ragged.tags = pack[*packed.tags];
  return ragged;
}

}  // namespace

Ragged upload_sequences(Context& ctx, Arena& arena, const std::vector<Ids>& sequences,
                        std::int64_t vocab_size, ConstView& ids) {
  IndexPack pack(packed_size(sequences, 1));
  const PackedSequences packed = pack_sequences(pack, sequences, nullptr, vocab_size);
  pack.upload_all(ctx, arena);
  ids = pack[packed.ids];
  return uploaded(pack, packed);
}

Batch upload_batch(Context& ctx, Arena& arena, const HostBatch& host, const ModelConfig& config) {
  // Source: ids and tags. Target: these and the shifted ids.
  IndexPack pack(packed_size(host.source, 3) + packed_size(host.target, 4));
  const PackedSequences source =
      pack_sequences(pack, host.source, &host.sentence, config.vocab_size);
  const PackedSequences target =
      pack_sequences(pack, host.target, &host.sentence, config.vocab_size);
  for (const Ids& ids : host.target) {
    pack.push(config.decoder_start_token_id);
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) pack.push(std::int64_t{ids[i]});
  }
  const IndexPack::Place shifted = pack.end(target.ragged.tokens, 1);
  pack.upload_all(ctx, arena);

  Batch batch;
  batch.source = uploaded(pack, source);
  batch.source_ids = pack[source.ids];
  batch.target = uploaded(pack, target);
  batch.target_ids = pack[shifted];
  batch.labels = pack[target.ids];
  return batch;
}

}  // namespace switchyard
