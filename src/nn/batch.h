// SPDX-License-Identifier: Apache-2.0
// A batch of sentence pairs in the backend's memory, as ragged token matrices.
#pragma once

#include <cstdint>
#include <vector>

#include "src/backend/backend.h"
#include "src/core/host_batch.h"
#include "src/nn/config.h"

namespace switchyard {

struct Batch {
  Ragged source;
  ConstView source_ids;  // [source.tokens, 1] i32
  Ragged target;
  // [target.tokens, 1] i32: the labels shifted right from decoder_start_token_id.
  ConstView target_ids;
  ConstView labels;  // [target.tokens, 1] i32
};

// Uploads a batch into `arena` in one copy. Error(kData) if an id is not in [0, vocab_size).
Batch upload_batch(Context& ctx, Arena& arena, const HostBatch& batch, const ModelConfig& config);
// Uploads one side of a batch, without tags, and sets `ids` to its [tokens, 1] i32. The same error.
Ragged upload_sequences(Context& ctx, Arena& arena, const std::vector<Ids>& sequences,
                        std::int64_t vocab_size, ConstView& ids);

}  // namespace switchyard
