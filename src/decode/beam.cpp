// SPDX-License-Identifier: Apache-2.0
#include "src/decode/beam.h"

#include <algorithm>
#include <cassert>

namespace switchyard {

Beam::Beam(const SearchOptions& options, std::int64_t vocab_size, const Ids& eos_ids)
    : options_(options), vocab_size_(vocab_size), eos_ids_(eos_ids) {
  const auto n = static_cast<std::size_t>(options.num_beams);
  // All hypotheses are the same at first, so only candidates of the first one may win.
  score_.assign(n, -1e9f);
  score_[0] = 0;
  token_.resize(n);
  parent_.resize(n);
  last_.assign(n, -1);
}

void Beam::advance(std::span<const float> value, std::span<const std::int32_t> index) {
  const auto beams = static_cast<std::size_t>(options_.num_beams);
  assert(!done_ && value.size() == (1 + eos_ids_.size()) * beams && index.size() == value.size());
  ++length_;
  const bool at_limit = length_ == options_.max_new_tokens;

  const std::vector<std::int32_t> last_before = last_;
  std::size_t running = 0;
  for (std::size_t c = 0; c < value.size() && (running < beams || c < beams); ++c) {
    const auto parent = static_cast<std::int32_t>(index[c] / vocab_size_);
    const auto token = static_cast<std::int32_t>(index[c] % vocab_size_);
    const bool ended = at_limit || std::count(eos_ids_.begin(), eos_ids_.end(), token) > 0;
    // Only the first num_beams candidates may end a hypothesis; the rest replace those that end.
    if (ended ? c >= beams : running == beams) continue;
    nodes_.push_back({token, last_before[static_cast<std::size_t>(parent)]});
    const auto node = static_cast<std::int32_t>(nodes_.size() - 1);
    if (ended) {
      finish(normalised_score(value[c], length_, options_), node);
    } else {
      score_[running] = value[c];
      token_[running] = token;
      parent_[running] = parent;
      last_[running] = node;
      ++running;
    }
  }

  const bool full = finished_.size() >= beams;
  done_ = at_limit || (full && (options_.early_stopping == EarlyStopping::kTrue || is_hopeless()));
}

// Returns true if no running hypothesis is expected to get a better score than the worst of the
// num_beams best finished ones.
bool Beam::is_hopeless() const {
  const bool longest =
      options_.early_stopping == EarlyStopping::kNever && options_.length_penalty > 0;
  const std::int64_t length = longest ? options_.max_new_tokens : length_;
  const float worst = finished_[static_cast<std::size_t>(options_.num_beams) - 1].score;
  return !(normalised_score(score_[0], length, options_) > worst);
}

void Beam::finish(float score, std::int32_t last) {
  // In a tie, the older one stays ahead.
  const auto place = std::find_if(finished_.begin(), finished_.end(),
                                  [&](const Finished& f) { return f.score < score; });
  finished_.insert(place, {score, last});
}

Ids Beam::ids_to(std::int32_t last) const {
  const auto before = [&](std::int32_t n) { return nodes_[static_cast<std::size_t>(n)].before; };
  std::size_t length = 0;
  for (std::int32_t n = last; n >= 0; n = before(n)) ++length;
  Ids ids(length);
  for (std::int32_t n = last; n >= 0; n = before(n))
    ids[--length] = nodes_[static_cast<std::size_t>(n)].token;
  return ids;
}

NBest Beam::best(std::size_t count) const {
  NBest result;
  result.reserve(std::min(count, finished_.size()));
  for (std::size_t i = 0; i < std::min(count, finished_.size()); ++i)
    result.push_back({ids_to(finished_[i].last), finished_[i].score});
  return result;
}

}  // namespace switchyard
