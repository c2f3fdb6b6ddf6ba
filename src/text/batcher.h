// SPDX-License-Identifier: Apache-2.0
// Batches of a source of pairs: pairs of similar length together, in an order that is a pure
// function of (seed, epoch). No padding exists, so a batch is sized by its real tokens.
#pragma once

#include <cstdint>
#include <vector>

#include "src/core/host_batch.h"
#include "src/text/pair_source.h"

namespace switchyard {

struct BatchOptions {
  // At most this many tokens (eos included) on the longer side of a batch: the larger of its
  // source's and its target's sum. A longer pair is a batch of its own. 0: no limit.
  std::int64_t mini_batch_words = 4096;
  // At most this many pairs; 0: no limit. One of the two limits is required.
  std::int64_t mini_batch = 0;
  // Pairs are sorted by length within windows of at most this many batches of the shuffled epoch.
  // A window has as few batches as the limits allow, all of about the same size.
  std::int64_t maxi_batch = 100;
  std::uint64_t seed = 1;
  bool shuffle = true;  // false: the source's order (still sorted within windows)
};

// A position in training: the next batch.
struct BatchPosition {
  std::int64_t epoch = 0;
  std::int64_t batch = 0;  // within the epoch
  bool operator==(const BatchPosition&) const = default;
};

// The batches of one epoch, as indices of pairs: batch b is order[offsets[b] .. offsets[b + 1]).
struct EpochPlan {
  std::vector<std::uint32_t> order;
  std::vector<std::int64_t> offsets;
  std::int64_t batches() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
};
EpochPlan plan_epoch(const PairSource& source, const BatchOptions& options, std::int64_t epoch);

// Endless batches, epoch after epoch. The source must outlive this.
class Batcher {
 public:
  // Error(kUsage) if the options give no limit; Error(kData) if `start` is past the end of its
  // epoch (another source or other options than those the position was saved with).
  Batcher(const PairSource& source, const BatchOptions& options, BatchPosition start = {});

  HostBatch next();
  // The position of the batch that next() will return: save it to resume there.
  BatchPosition position() const { return here_; }
  // Batches in the epoch of position().
  std::int64_t batches_in_epoch() const { return plan_.batches(); }

 private:
  const PairSource& source_;
  BatchOptions options_;
  BatchPosition here_;
  EpochPlan plan_;
};

}  // namespace switchyard
