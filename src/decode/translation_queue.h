// SPDX-License-Identifier: Apache-2.0
// The sentences that workers have yet to translate, longest first: the most memory is needed while
// the fewest results exist, and short sentences fill up the workers' ends.
#pragma once

#include <cstddef>
#include <mutex>
#include <vector>

#include "src/core/ids.h"

namespace switchyard {

// Source tokens that one worker has at a time, unless they are of a single sentence: bounds memory
// when sentences are long.
constexpr std::size_t kMaxBatchTokens = 8192;

// Safe to call from many threads.
class TranslationQueue {
 public:
  explicit TranslationQueue(const std::vector<Ids>& sources);

  // Removes at most `count` sentences, for a worker that has `tokens` source tokens already, and
  // returns their numbers.
  std::vector<std::size_t> take(std::size_t count, std::size_t tokens);
  void close();  // drops the rest

 private:
  struct Sentence {
    std::size_t number, tokens;
  };
  std::mutex mutex_;
  std::vector<Sentence> sentences_;  // longest first
  std::size_t next_ = 0;
};

}  // namespace switchyard
