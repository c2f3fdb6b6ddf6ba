// SPDX-License-Identifier: Apache-2.0
// The sentences that workers have yet to translate, in windows that are each sorted from longest to
// shortest: sentences encoded together are then about as long as each other, and short ones are
// left to even out the workers' finishing times. Without windows, a larger input would have more of
// its longest sentences translated at the same time, and so need more memory.
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
  // sentence. A window is `window` sentences, at least 1. `sources` must outlive the queue; it
  // reads the length of those not yet taken.
  TranslationQueue(const std::vector<Ids>& sources, std::size_t max_tokens, std::size_t window);

  // Removes at most `count` sentences, for a worker that already holds `tokens` source tokens, and
  // returns their numbers.
  std::vector<std::size_t> take(std::size_t count, std::size_t tokens);
  void close();  // drops the rest

 private:
  const std::vector<Ids>& sources_;
  const std::size_t max_tokens_;
  std::mutex mutex_;
  std::vector<std::size_t> order_;  // numbers of the sentences
  std::size_t next_ = 0;
};

}  // namespace switchyard
