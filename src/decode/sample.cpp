// SPDX-License-Identifier: Apache-2.0
#include "src/decode/sample.h"

#include <algorithm>
#include <cassert>

namespace switchyard {

Sample::Sample(const SearchOptions& options, const Ids& eos_ids)
    : options_(options), eos_ids_(eos_ids) {
  const auto n = static_cast<std::size_t>(options.rows());
  score_.assign(n, 0);
  token_.assign(n, 0);
  for (std::size_t r = 0; r < n; ++r) parent_.push_back(static_cast<std::int32_t>(r));
  hypotheses_.resize(n);
  ended_.assign(n, false);
}

void Sample::advance(std::span<const float> value, std::span<const std::int32_t> index) {
  assert(!done_ && index.size() == hypotheses_.size() && value.size() == index.size());
  done_ = true;
  for (std::size_t r = 0; r < hypotheses_.size(); ++r) {
    if (ended_[r]) continue;
    Hypothesis& h = hypotheses_[r];
    token_[r] = index[r];
    h.ids.push_back(index[r]);
    h.score += value[r];
    ended_[r] = std::count(eos_ids_.begin(), eos_ids_.end(), index[r]) > 0 ||
                static_cast<std::int64_t>(h.ids.size()) == options_.max_new_tokens;
    done_ = done_ && ended_[r];
  }
}

NBest Sample::best(std::size_t count) const {
  NBest result(hypotheses_.begin(), hypotheses_.begin() + static_cast<std::ptrdiff_t>(
                                                              std::min(count, hypotheses_.size())));
  for (Hypothesis& h : result)
    h.score = normalised_score(h.score, static_cast<std::int64_t>(h.ids.size()), options_);
  return result;
}

}  // namespace switchyard
