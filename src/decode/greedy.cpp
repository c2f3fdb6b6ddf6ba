// SPDX-License-Identifier: Apache-2.0
#include "src/decode/greedy.h"

#include <algorithm>
#include <cassert>

namespace switchyard {

Greedy::Greedy(const SearchOptions& options, const Ids& eos_ids)
    : options_(options), eos_ids_(eos_ids) {
  score_ = {0};
  token_ = {0};
  parent_ = {0};
}

void Greedy::advance(std::span<const float> value, std::span<const std::int32_t> index) {
  assert(!done_ && index.size() == 1);
  token_[0] = index[0];
  ids_.push_back(index[0]);
  if (options_.scores) score_[0] += value[0];
  done_ = std::count(eos_ids_.begin(), eos_ids_.end(), index[0]) > 0 ||
          static_cast<std::int64_t>(ids_.size()) == options_.max_new_tokens;
}

NBest Greedy::best(std::size_t) const {
  const auto length = static_cast<std::int64_t>(ids_.size());
  return {{ids_, options_.scores ? normalised_score(score_[0], length, options_) : 0}};
}

}  // namespace switchyard
