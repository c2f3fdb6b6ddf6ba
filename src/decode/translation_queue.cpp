// SPDX-License-Identifier: Apache-2.0
#include "src/decode/translation_queue.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace switchyard {

TranslationQueue::TranslationQueue(const std::vector<Ids>& sources, std::size_t max_tokens,
                                   std::size_t window)
    : sources_(sources), max_tokens_(max_tokens), order_(sources.size()) {
  std::iota(order_.begin(), order_.end(), std::size_t{0});
  std::sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) {
    return std::tuple(a / window, sources[b].size(), a) <
           std::tuple(b / window, sources[a].size(), b);
  });
}

std::vector<std::size_t> TranslationQueue::take(std::size_t count, std::size_t tokens) {
  const std::lock_guard lock(mutex_);
  std::vector<std::size_t> taken;
  while (taken.size() < count && next_ < order_.size()) {
    const std::size_t number = order_[next_], more = sources_[number].size();
    if (tokens > 0 && tokens + more > max_tokens_) break;
    tokens += more;
    taken.push_back(number);
    ++next_;
  }
  return taken;
}

void TranslationQueue::close() {
  const std::lock_guard lock(mutex_);
  next_ = order_.size();
}

}  // namespace switchyard
