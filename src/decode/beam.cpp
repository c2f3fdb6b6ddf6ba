// SPDX-License-Identifier: Apache-2.0
#include "src/decode/beam.h"

#include <algorithm>
#include <cassert>

namespace switchyard {

Beam::Beam(const SearchOptions& options, std::int64_t vocab_size, std::int32_t eos)
    : options_(options), vocab_size_(vocab_size), eos_(eos) {
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
  assert(!done_ && value.size() == 2 * beams && index.size() == value.size());
  ++length_;
  const bool at_limit = length_ == options_.max_new_tokens;

  const std::vector<std::int32_t> last_before = last_;
  std::size_t running = 0;
  for (std::size_t c = 0; c < value.size() && (running < beams || c < beams); ++c) {
    const auto parent = static_cast<std::int32_t>(index[c] / vocab_size_);
    const auto token = static_cast<std::int32_t>(index[c] % vocab_size_);
    const bool ended = token == eos_ || at_limit;
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
  // The heuristic of early_stopping = False: scores the best running hypothesis as if it ended now.
  const bool hopeless =
      full && !(normalised_score(score_[0], length_, options_) > finished_[beams - 1].score);
  done_ = at_limit || (full && options_.early_stopping) || hopeless;
}

void Beam::finish(float score, std::int32_t last) {
  // In a tie, the older one stays ahead.
  const auto place = std::find_if(finished_.begin(), finished_.end(),
                                  [&](const Finished& f) { return f.score < score; });
  finished_.insert(place, {score, last});
}

NBest Beam::best(std::size_t count) const {
  NBest result;
  result.reserve(std::min(count, finished_.size()));
  for (std::size_t i = 0; i < std::min(count, finished_.size()); ++i) {
    Hypothesis h;
    h.score = finished_[i].score;
    const auto before = [&](std::int32_t n) { return nodes_[static_cast<std::size_t>(n)].before; };
    std::size_t length = 0;
    for (std::int32_t n = finished_[i].last; n >= 0; n = before(n)) ++length;
    h.ids.resize(length);
    for (std::int32_t n = finished_[i].last; n >= 0; n = before(n))
      h.ids[--length] = nodes_[static_cast<std::size_t>(n)].token;
    result.push_back(std::move(h));
  }
  return result;
}

}  // namespace switchyard
