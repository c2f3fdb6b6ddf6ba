// SPDX-License-Identifier: Apache-2.0
// Search: decodes many sentences at a time; they may enter and leave between any two steps. Greedy
// search, beam search and sampling share one loop; they differ in the SentenceSearch of each
// sentence.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "src/decode/host_candidates.h"
#include "src/decode/search_options.h"
#include "src/decode/sentence_search.h"
#include "src/nn/decoder_state.h"
#include "src/nn/model.h"

namespace switchyard {

struct SearchRequest {
  std::size_t number = 0;  // the caller's; returned with the result
  Ids source;              // with eos, not empty
  // Ids that every hypothesis begins with; no eos, and fewer than max_new_tokens. They count
  // towards max_new_tokens but, as in transformers, neither towards the score nor towards the
  // length that normalizes it.
  Ids prefix;
  std::uint64_t random = 0;  // samples of sentences with different numbers are independent
};
struct SearchResult {
  std::size_t number = 0;
  NBest hypotheses;
};

class Search {
 public:
  // ctx and model must outlive this. Nothing else may use ctx.saved meanwhile. The model's values
  // may change while no sentence is active. Error(kUsage) if the vocabulary is too large for the
  // beam, or an id of the options is not in it.
  Search(Context& ctx, const Model& model, const SearchOptions& options);

  // Encodes the sources as one batch. Error(kData) if an id is not the model's, Error(kUsage) if a
  // prefix is too long or has eos; then none is admitted.
  void admit(std::vector<SearchRequest> requests);
  // Generates one more token for every active sentence; there must be at least one. Error(kData) if
  // the model's logits are not finite.
  void step();
  // Returns the results since the last call, in the order in which they finished.
  std::vector<SearchResult> take_finished();
  void clear();  // drops all sentences and results

  std::size_t active() const { return active_.size(); }
  std::size_t active_source_tokens() const;

  // Times each phase; initially stopped.
  DecodeClock& clock() { return state_.clock(); }
  const DecodeClock& clock() const { return state_.clock(); }

 private:
  struct Active {
    std::size_t number;
    std::uint64_t random;
    Ids source;
    Ids prompt;  // decoder_start_token_id and the prefix
    std::int32_t slot;
    std::size_t given = 0;  // tokens fed to its rows
    std::unique_ptr<SentenceSearch> search;
  };
  std::unique_ptr<SentenceSearch> new_search(const Ids& prefix) const;
  void check_prefix(const Ids& prefix) const;
  void add_rows(const Active& sentence);
  void find_candidates(const DecoderState::Logits& step);
  void find_on_host(const DecoderState::Logits& step);
  void advance(Active& sentence, std::size_t i);
  void finish(Active& sentence);

  Context& ctx_;
  const Model& model_;
  SearchOptions options_;
  Ids eos_ids_;
  std::size_t candidates_;  // per step and sentence
  HostCandidates host_;
  DecoderState state_;
  std::vector<Active> active_;  // in the order of their rows
  DecoderState::Step step_;
  // Candidates of the last step, [active, candidates_]. value_ is empty if nothing reads it.
  std::vector<std::int32_t> index_;
  std::vector<float> value_;
  std::vector<SearchResult> finished_;
};

// Returns the hypotheses of each of `sources`, searched together.
std::vector<NBest> search_batch(Context& ctx, const Model& model, const std::vector<Ids>& sources,
                                const SearchOptions& options);

}  // namespace switchyard
