// SPDX-License-Identifier: Apache-2.0
#include "src/decode/search.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <limits>
#include <span>
#include <utility>

#include "src/core/error.h"
#include "src/decode/beam.h"
#include "src/decode/greedy.h"

namespace switchyard {

namespace {

bool is_greedy(const SearchOptions& options) { return options.num_beams == 1; }

}  // namespace

Search::Search(Context& ctx, const Model& model, const SearchOptions& options)
    : ctx_(ctx),
      model_(model),
      options_(options),
      candidates_(is_greedy(options) ? 1 : static_cast<std::size_t>(Beam::candidates(options))),
      state_(ctx, model) {
  // top_k_rows numbers the candidates of all beams in 32 bits.
  const std::int64_t vocab_size = model.config().vocab_size;
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  check(options.num_beams * vocab_size <= kMost, ErrorKind::kUsage,
        "beam size: ", options.num_beams, ", expected at most ", kMost / vocab_size,
        " for a vocabulary of ", vocab_size);
}

void Search::admit(std::vector<SearchRequest> requests) {
  std::vector<Ids> sources;
  for (SearchRequest& request : requests) {
    check_prefix(request.prefix);
    sources.push_back(std::move(request.source));
  }
  const std::vector<std::int32_t> slots =
      state_.admit(sources, options_.num_beams, options_.capacity);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    Active sentence{
        requests[i].number, sources[i].size(), std::move(requests[i].prefix), slots[i], 0, {}};
    sentence.search = new_search(sentence.prefix);
    active_.push_back(std::move(sentence));
  }
}

std::unique_ptr<SentenceSearch> Search::new_search(const Ids& prefix) const {
  const auto eos = static_cast<std::int32_t>(model_.config().eos_token_id);
  SearchOptions options = options_;
  options.max_new_tokens -= static_cast<std::int64_t>(prefix.size());
  if (is_greedy(options)) return std::make_unique<Greedy>(options, eos);
  return std::make_unique<Beam>(options, model_.config().vocab_size, eos);
}

void Search::check_prefix(const Ids& prefix) const {
  check(static_cast<std::int64_t>(prefix.size()) < options_.max_new_tokens, ErrorKind::kUsage,
        "prefix of ", prefix.size(), " ids, expected fewer than the maximum output length ",
        options_.max_new_tokens);
  for (const std::int32_t id : prefix)
    check(id >= 0 && id < model_.config().vocab_size && id != model_.config().eos_token_id,
          ErrorKind::kUsage, "prefix: id ", id, ", expected one below ", model_.config().vocab_size,
          " that is not eos");
}

void Search::step() {
  assert(!active_.empty());
  step_.slots.clear();
  step_.tokens.clear();
  step_.scores.clear();
  for (const Active& sentence : active_) add_rows(sentence);
  find_candidates(state_.step(step_));

  for (std::size_t i = 0; i < active_.size(); ++i) advance(active_[i], i);
  std::erase_if(active_, [](const Active& sentence) { return sentence.search->done(); });
}

void Search::add_rows(const Active& sentence) {
  step_.slots.push_back(sentence.slot);
  if (sentence.given > sentence.prefix.size()) {
    const std::vector<std::int32_t>& token = sentence.search->token();
    step_.tokens.insert(step_.tokens.end(), token.begin(), token.end());
  } else {
    const std::int32_t start = static_cast<std::int32_t>(model_.config().decoder_start_token_id);
    const std::int32_t token = sentence.given == 0 ? start : sentence.prefix[sentence.given - 1];
    step_.tokens.insert(step_.tokens.end(), static_cast<std::size_t>(options_.num_beams), token);
  }
  if (is_greedy(options_)) return;
  const std::vector<float>& score = sentence.search->score();
  step_.scores.insert(step_.scores.end(), score.begin(), score.end());
}

// Downloads everything at once. In a sentence's first step, greedy search reads the
// log-probabilities too: they reveal a single logit that is not finite.
void Search::find_candidates(const DecoderState::Logits& step) {
  const bool wants_values =
      !is_greedy(options_) || options_.scores ||
      std::any_of(active_.begin(), active_.end(), [](const Active& a) { return a.given == 0; });
  const auto sentences = static_cast<std::int64_t>(active_.size());
  const auto columns = static_cast<std::int64_t>(candidates_);
  const ArenaScope scope(ctx_.scratch);
  const View found =
      ctx_.scratch.make(wants_values ? 2 * sentences : sentences, columns, DType::i32);
  const View index = found.slice_rows(0, sentences);
  View value;
  if (wants_values) {
    value = found.slice_rows(sentences, sentences);
    value.dtype = DType::f32;
  }
  if (is_greedy(options_)) {
    argmax_rows(ctx_, step.logits, options_.suppressed_id, index, value);
  } else {
    const TopK top_k{
        .beams = options_.num_beams, .k = columns, .suppressed = options_.suppressed_id};
    top_k_rows(ctx_, step.logits, step.scores, top_k, value, index);
  }

  index_.resize(static_cast<std::size_t>(found.size()));
  download(ctx_, found, index_.data(), found.size());
  const std::size_t count = active_.size() * candidates_;
  value_.clear();
  for (std::size_t i = count; i < index_.size(); ++i)
    value_.push_back(std::bit_cast<float>(index_[i]));
  index_.resize(count);
}

// Advances sentence i of the step.
void Search::advance(Active& sentence, std::size_t i) {
  const std::span index = std::span(index_).subspan(i * candidates_, candidates_);
  const std::span value =
      value_.empty() ? std::span(value_) : std::span(value_).subspan(i * candidates_, candidates_);
  check(index[0] >= 0 && (value.empty() || std::isfinite(value[0])), ErrorKind::kData,
        "the model's logits are not finite");
  if (++sentence.given <= sentence.prefix.size()) return;  // the prefix gives the next token
  sentence.search->advance(value, index);
  if (sentence.search->done())
    finish(sentence);
  else if (!is_greedy(options_))
    state_.reorder(sentence.slot, sentence.search->parent());
}

void Search::finish(Active& sentence) {
  const std::size_t count = options_.return_all
                                ? std::numeric_limits<std::size_t>::max()
                                : static_cast<std::size_t>(options_.num_return_sequences);
  NBest hypotheses = sentence.search->best(count);
  for (Hypothesis& h : hypotheses) {
    h.ids.reserve(sentence.prefix.size() + h.ids.size());
    h.ids.insert(h.ids.begin(), sentence.prefix.begin(), sentence.prefix.end());
  }
  finished_.push_back({sentence.number, std::move(hypotheses)});
  state_.release(sentence.slot);
}

std::vector<SearchResult> Search::take_finished() { return std::exchange(finished_, {}); }

void Search::clear() {
  active_.clear();
  finished_.clear();
  state_.release_all();
}

std::size_t Search::active_source_tokens() const {
  std::size_t tokens = 0;
  for (const Active& sentence : active_) tokens += sentence.source_tokens;
  return tokens;
}

std::vector<NBest> search_batch(Context& ctx, const Model& model, const std::vector<Ids>& sources,
                                const SearchOptions& options) {
  Search search(ctx, model, options);
  std::vector<SearchRequest> requests;
  for (std::size_t i = 0; i < sources.size(); ++i) requests.push_back({i, sources[i], {}});
  search.admit(std::move(requests));
  std::vector<NBest> result(sources.size());
  while (search.active() > 0) {
    search.step();
    for (SearchResult& found : search.take_finished())
      result[found.number] = std::move(found.hypotheses);
  }
  return result;
}

}  // namespace switchyard
