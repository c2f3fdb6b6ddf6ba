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
#include "src/decode/sample.h"

namespace switchyard {

namespace {

bool has_beam(const SearchOptions& options) { return options.num_beams > 1; }

Ids eos_ids(const Model& model, const SearchOptions& options) {
  Ids ids = {static_cast<std::int32_t>(model.config().eos_token_id)};
  for (const std::int32_t id : options.more_eos_ids)
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
  return ids;
}

std::size_t candidate_count(const SearchOptions& options, std::size_t eos_ids) {
  return static_cast<std::size_t>(has_beam(options) ? Beam::candidates(options, eos_ids)
                                                    : options.rows());
}

}  // namespace

Search::Search(Context& ctx, const Model& model, const SearchOptions& options)
    : ctx_(ctx),
      model_(model),
      options_(options),
      eos_ids_(eos_ids(model, options)),
      candidates_(candidate_count(options, eos_ids_.size())),
      host_(options, eos_ids_, candidates_),
      state_(ctx, model) {
  // top_k_rows numbers the candidates of all beams in 32 bits.
  const std::int64_t vocab_size = model.config().vocab_size;
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  check(options.num_beams * vocab_size <= kMost, ErrorKind::kUsage,
        "beam size: ", options.num_beams, ", expected at most ", kMost / vocab_size,
        " for a vocabulary of ", vocab_size);
  validate_ids(options, vocab_size);
  check(std::ssize(eos_ids_) < vocab_size, ErrorKind::kUsage,
        "ids that end a hypothesis: ", eos_ids_.size(), ", expected fewer than the vocabulary's ",
        vocab_size);
}

void Search::admit(std::vector<SearchRequest> requests) {
  std::vector<Ids> sources;
  for (SearchRequest& request : requests) {
    check_prefix(request.prefix);
    sources.push_back(std::move(request.source));
  }
  const std::vector<std::int32_t> slots = state_.admit(sources, options_.rows(), options_.capacity);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    std::unique_ptr<SentenceSearch> search = new_search(requests[i].prefix);
    Ids prompt = std::move(requests[i].prefix);
    prompt.insert(prompt.begin(),
                  static_cast<std::int32_t>(model_.config().decoder_start_token_id));
    active_.push_back({requests[i].number, requests[i].random, std::move(sources[i]),
                       std::move(prompt), slots[i], 0, std::move(search)});
  }
}

std::unique_ptr<SentenceSearch> Search::new_search(const Ids& prefix) const {
  SearchOptions options = options_;
  options.max_new_tokens -= static_cast<std::int64_t>(prefix.size());
  if (has_beam(options))
    return std::make_unique<Beam>(options, model_.config().vocab_size, eos_ids_);
  if (host_.needed()) return std::make_unique<Sample>(options, eos_ids_);
  return std::make_unique<Greedy>(options, eos_ids_);
}

void Search::check_prefix(const Ids& prefix) const {
  check(static_cast<std::int64_t>(prefix.size()) < options_.max_new_tokens, ErrorKind::kUsage,
        "prefix of ", prefix.size(), " ids, expected fewer than the maximum output length ",
        options_.max_new_tokens);
  for (const std::int32_t id : prefix)
    check(id >= 0 && id < model_.config().vocab_size &&
              std::find(eos_ids_.begin(), eos_ids_.end(), id) == eos_ids_.end(),
          ErrorKind::kUsage, "prefix: id ", id, ", expected one below ", model_.config().vocab_size,
          " that is not eos");
}

void Search::step() {
  assert(!active_.empty());
  step_.slots.clear();
  step_.tokens.clear();
  step_.scores.clear();
  for (const Active& sentence : active_) add_rows(sentence);
  const DecoderState::Logits logits = state_.step(step_);
  host_.needed() ? find_on_host(logits) : find_candidates(logits);

  for (std::size_t i = 0; i < active_.size(); ++i) advance(active_[i], i);
  std::erase_if(active_, [](const Active& sentence) { return sentence.search->done(); });
}

void Search::add_rows(const Active& sentence) {
  step_.slots.push_back(sentence.slot);
  if (sentence.given < sentence.prompt.size()) {
    step_.tokens.insert(step_.tokens.end(), static_cast<std::size_t>(options_.rows()),
                        sentence.prompt[sentence.given]);
  } else {
    const std::vector<std::int32_t>& token = sentence.search->token();
    step_.tokens.insert(step_.tokens.end(), token.begin(), token.end());
  }
  if (!has_beam(options_) || host_.needed()) return;
  const std::vector<float>& score = sentence.search->score();
  step_.scores.insert(step_.scores.end(), score.begin(), score.end());
}

// Downloads everything at once. In a sentence's first step, greedy search reads the
// log-probabilities too: they reveal a single logit that is not finite.
void Search::find_candidates(const DecoderState::Logits& step) {
  const bool wants_values =
      has_beam(options_) || options_.scores ||
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
  if (has_beam(options_)) {
    const TopK top_k{
        .beams = options_.num_beams, .k = columns, .suppressed = options_.suppressed_id};
    top_k_rows(ctx_, step.logits, step.scores, top_k, value, index);
  } else {
    argmax_rows(ctx_, step.logits, options_.suppressed_id, index, value);
  }

  index_.resize(static_cast<std::size_t>(found.size()));
  download(ctx_, found, index_.data(), found.size());
  const std::size_t count = active_.size() * candidates_;
  value_.clear();
  for (std::size_t i = count; i < index_.size(); ++i)
    value_.push_back(std::bit_cast<float>(index_[i]));
  index_.resize(count);
}

void Search::find_on_host(const DecoderState::Logits& step) {
  std::vector<HostCandidates::Sentence> sentences;
  for (const Active& a : active_)
    sentences.push_back(
        {a.given + 1 < a.prompt.size() ? nullptr : a.search.get(), a.source, a.prompt, a.random});
  host_.find(ctx_, step.logits, sentences, index_, value_);
}

// Advances sentence i of the step.
void Search::advance(Active& sentence, std::size_t i) {
  const std::span index = std::span(index_).subspan(i * candidates_, candidates_);
  const std::span value =
      value_.empty() ? std::span(value_) : std::span(value_).subspan(i * candidates_, candidates_);
  // Logits processors may exclude all tokens.
  check(index[0] >= 0 && (value.empty() || host_.needed() || std::isfinite(value[0])),
        ErrorKind::kData, "the model's logits are not finite");
  if (++sentence.given < sentence.prompt.size()) return;  // the prefix gives the next token
  sentence.search->advance(value, index);
  if (sentence.search->done())
    finish(sentence);
  else if (has_beam(options_))
    state_.reorder(sentence.slot, sentence.search->parent());
}

void Search::finish(Active& sentence) {
  const std::size_t count = options_.return_all
                                ? std::numeric_limits<std::size_t>::max()
                                : static_cast<std::size_t>(options_.num_return_sequences);
  NBest hypotheses = sentence.search->best(count);
  for (Hypothesis& h : hypotheses) {
    h.ids.reserve(sentence.prompt.size() - 1 + h.ids.size());
    h.ids.insert(h.ids.begin(), sentence.prompt.begin() + 1, sentence.prompt.end());
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
  for (const Active& sentence : active_) tokens += sentence.source.size();
  return tokens;
}

std::vector<NBest> search_batch(Context& ctx, const Model& model, const std::vector<Ids>& sources,
                                const SearchOptions& options) {
  Search search(ctx, model, options);
  std::vector<SearchRequest> requests;
  for (std::size_t i = 0; i < sources.size(); ++i) requests.push_back({i, sources[i], {}, i});
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
