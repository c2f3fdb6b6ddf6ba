// SPDX-License-Identifier: Apache-2.0
#include "src/decode/host_candidates.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "src/core/rng.h"
#include "src/decode/sampling.h"

namespace switchyard {

HostCandidates::HostCandidates(const SearchOptions& options, const Ids& eos_ids,
                               std::size_t candidates)
    : options_(options),
      candidates_(candidates),
      eos_(eos_ids.front()),
      processors_(logits_processors(options, eos_ids)) {}

void HostCandidates::find(Context& ctx, ConstView logits, std::span<const Sentence> sentences,
                          std::vector<std::int32_t>& index, std::vector<float>& value) {
  download_rows(ctx, logits);
  index.assign(sentences.size() * candidates_, 0);
  value.assign(index.size(), 0);
  const auto rows = static_cast<std::size_t>(options_.rows());
  for (std::size_t s = 0; s < sentences.size(); ++s) {
    const Sentence& sentence = sentences[s];
    const Found found{std::span(index).subspan(s * candidates_, candidates_),
                      std::span(value).subspan(s * candidates_, candidates_)};
    const auto sums = std::span(log_sum_).subspan(s * rows, rows);
    if (!std::all_of(sums.begin(), sums.end(), [](float x) { return std::isfinite(x); }))
      std::fill(found.index.begin(), found.index.end(), -1);
    else if (!sentence.search)
      continue;
    else if (options_.num_beams > 1)
      choose_continuations(sentence, s * rows, found);
    else
      choose_tokens(sentence, s * rows, found);
  }
}

// The backend's log-probability of each row's best token gives the sum, so that no logarithm or
// exponential is computed here.
void HostCandidates::download_rows(Context& ctx, ConstView logits) {
  const std::int64_t rows = logits.rows;
  vocab_ = static_cast<std::size_t>(logits.cols);
  logits_.resize(static_cast<std::size_t>(logits.size()));
  log_sum_.resize(static_cast<std::size_t>(rows));
  best_.resize(2 * log_sum_.size());
  const ArenaScope scope(ctx.scratch);
  const View found = ctx.scratch.make(2 * rows, 1, DType::i32);
  View log_prob = found.slice_rows(rows, rows);
  log_prob.dtype = DType::f32;
  argmax_rows(ctx, logits, kNoId, found.slice_rows(0, rows), log_prob);
  download(ctx, found, best_.data(), found.size());
  download(ctx, logits, logits_.data(), logits.size());
  for (std::size_t r = 0; r < log_sum_.size(); ++r)
    log_sum_[r] = best_[r] < 0 ? std::numeric_limits<float>::quiet_NaN()
                               : logits_[r * vocab_ + static_cast<std::size_t>(best_[r])] -
                                     std::bit_cast<float>(best_[log_sum_.size() + r]);
}

// Processes the scores of a row's tokens in place.
void HostCandidates::process(const Sentence& sentence, std::size_t hypothesis,
                             std::span<float> scores) {
  const Ids chosen = sentence.search->ids(hypothesis);
  ids_.assign(sentence.prompt.begin(), sentence.prompt.end());
  ids_.insert(ids_.end(), chosen.begin(), chosen.end());
  const DecodedText text{sentence.source, ids_, sentence.prompt.size()};
  for (const LogitsProcessor& processor : processors_) processor(text, scores);
}

// Of hypotheses that are independent of each other.
void HostCandidates::choose_tokens(const Sentence& sentence, std::size_t first_row, Found found) {
  for (std::size_t h = 0; h < found.index.size(); ++h) {
    if (sentence.search->ended(h)) continue;
    const auto logits = std::span(logits_).subspan((first_row + h) * vocab_, vocab_);
    scores_.assign(logits.begin(), logits.end());
    process(sentence, h, scores_);
    std::int32_t token = eos_;
    if (options_.sampling.do_sample)
      token = draw(scores_, Rng(random_key(sentence, h)).uniform()).value_or(eos_);
    else
      token = static_cast<std::int32_t>(std::max_element(scores_.begin(), scores_.end()) -
                                        scores_.begin());
    found.index[h] = token;
    found.value[h] = logits[static_cast<std::size_t>(token)] - log_sum_[first_row + h];
  }
}

// Of a beam: as in transformers, processors see log-probabilities, and the sum of the hypothesis is
// added to their result.
void HostCandidates::choose_continuations(const Sentence& sentence, std::size_t first_row,
                                          Found found) {
  const std::vector<float>& sums = sentence.search->score();
  scores_.resize(sums.size() * vocab_);
  for (std::size_t h = 0; h < sums.size(); ++h) {
    const auto logits = std::span(logits_).subspan((first_row + h) * vocab_, vocab_);
    const auto scores = std::span(scores_).subspan(h * vocab_, vocab_);
    const float log_sum = log_sum_[first_row + h];
    std::transform(logits.begin(), logits.end(), scores.begin(),
                   [&](float x) { return x - log_sum; });
    process(sentence, h, scores);
    for (float& score : scores) score += sums[h];
  }
  const std::vector<std::int32_t> chosen =
      options_.sampling.do_sample
          ? draw_without_replacement(scores_, found.index.size(), random_key(sentence, 0))
          : best_scores(scores_, found.index.size());
  for (std::size_t c = 0; c < chosen.size(); ++c) {
    found.index[c] = chosen[c];
    found.value[c] = scores_[static_cast<std::size_t>(chosen[c])];
  }
}

// Differs between seeds, sentences, hypotheses and positions, and depends on nothing else.
std::uint64_t HostCandidates::random_key(const Sentence& sentence, std::size_t hypothesis) const {
  constexpr std::uint64_t kSite = 0x53414D50;  // "SAMP"
  const std::size_t position = sentence.search->ids(hypothesis).size();
  return row_key(stream_key(options_.sampling.seed, sentence.number, kSite),
                 static_cast<std::uint32_t>(hypothesis), static_cast<std::uint32_t>(position));
}

}  // namespace switchyard
