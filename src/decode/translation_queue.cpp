// SPDX-License-Identifier: Apache-2.0
#include "src/decode/translation_queue.h"

#include <algorithm>

namespace switchyard {

TranslationQueue::TranslationQueue(const std::vector<Ids>& sources, std::size_t max_tokens)
    : max_tokens_(max_tokens) {
  for (std::size_t i = 0; i < sources.size(); ++i) sentences_.push_back({i, sources[i].size()});
  std::stable_sort(sentences_.begin(), sentences_.end(),
                   [](const Sentence& a, const Sentence& b) { return a.tokens > b.tokens; });
}

std::vector<std::size_t> TranslationQueue::take(std::size_t count, std::size_t tokens) {
  const std::lock_guard lock(mutex_);
  std::vector<std::size_t> taken;
  while (taken.size() < count && next_ < sentences_.size()) {
    const auto [number, more] = sentences_[next_];
    if (tokens > 0 && tokens + more > max_tokens_) break;
    tokens += more;
    taken.push_back(number);
    ++next_;
  }
  return taken;
}

void TranslationQueue::close() {
  const std::lock_guard lock(mutex_);
  next_ = sentences_.size();
}

}  // namespace switchyard
