// SPDX-License-Identifier: Apache-2.0
// A source of sentence pairs for training: pairs are read by (epoch, index), and their lengths are
// known without reading them, so that batches and memory can be planned beforehand.
#pragma once

#include <cstdint>

#include "src/core/ids.h"

namespace switchyard {

// Token counts of one pair, eos included.
struct PairLength {
  std::int64_t source = 0, target = 0;
};

// Upper bounds that hold in every epoch.
struct PairBounds {
  PairLength longest;  // of each side; not necessarily of the same pair
  PairLength total;    // tokens of an epoch
};

// Every result depends on the arguments only. Safe to call from several threads at once.
class PairSource {
 public:
  virtual ~PairSource() = default;

  // Pairs per epoch.
  virtual std::int64_t size() const = 0;
  virtual PairBounds bounds() const = 0;
  // 0 <= index < size().
  virtual PairLength length(std::int64_t epoch, std::int64_t index) const = 0;
  // Overwrites both with the pair's ids, eos last; length() gives their numbers.
  virtual void read(std::int64_t epoch, std::int64_t index, Ids& source, Ids& target) const = 0;
  // Identifies the pairs of all epochs: a resumed run compares it with its checkpoint's.
  virtual std::uint64_t hash() const = 0;
};

}  // namespace switchyard
