// SPDX-License-Identifier: Apache-2.0
// A batch of sentence pairs as token ids on the host, which text/ produces and nn/ and train/ use.
#pragma once

#include <cstdint>
#include <vector>

#include "src/core/ids.h"

namespace switchyard {

inline std::int64_t total_tokens(const std::vector<Ids>& sequences) {
  std::int64_t total = 0;
  for (const Ids& ids : sequences) total += static_cast<std::int64_t>(ids.size());
  return total;
}

// Sequences end with eos; none is empty.
struct HostBatch {
  std::vector<Ids> source;
  std::vector<Ids> target;  // labels
  // Each pair's index in the epoch, which keys its random numbers.
  std::vector<std::uint32_t> sentence;

  std::int64_t source_tokens() const { return total_tokens(source); }
  std::int64_t target_tokens() const { return total_tokens(target); }
};

}  // namespace switchyard
