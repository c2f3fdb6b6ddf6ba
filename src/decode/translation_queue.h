// SPDX-License-Identifier: Apache-2.0
// The sentences that workers have yet to translate, longest first: memory use then peaks while few
// results exist, and short sentences are left to even out the workers' finishing times.
#pragma once

#include <cstddef>
#include <mutex>
#include <vector>

#include "src/core/ids.h"

namespace switchyard {

// Safe to call from many threads.
class TranslationQueue {
 public:
  // max_tokens limits the source tokens that a worker holds at a time, unless they are of a single
  // sentence. `sources` must outlive the queue; it reads the length of those not yet taken.
  TranslationQueue(const std::vector<Ids>& sources, std::size_t max_tokens);

  // Removes at most `count` sentences, for a worker that already holds `tokens` source tokens, and
  // returns their numbers.
  std::vector<std::size_t> take(std::size_t count, std::size_t tokens);
  void close();  // drops the rest

 private:
  const std::vector<Ids>& sources_;
  const std::size_t max_tokens_;
  std::mutex mutex_;
  std::vector<std::size_t> order_;  // numbers of the sentences, longest first
  std::size_t next_ = 0;
};

}  // namespace switchyard
