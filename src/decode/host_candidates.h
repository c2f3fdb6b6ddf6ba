// SPDX-License-Identifier: Apache-2.0
// Chooses the tokens that may continue each hypothesis on the host, for searches that edit or
// sample from the logits. The others leave this to the backend, which is faster: it downloads the
// candidates instead of all logits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "src/decode/logits_processors.h"
#include "src/decode/sentence_search.h"
#include "src/nn/decoder_state.h"

namespace switchyard {

class HostCandidates {
 public:
  // `candidates`: per sentence, as its search expects them.
  HostCandidates(const SearchOptions& options, const Ids& eos_ids, std::size_t candidates);

  // False if the backend can do without this: by default.
  bool needed() const { return !processors_.empty() || options_.sampling.do_sample; }

  // A sentence of a step, whose options_.rows() rows follow those of the previous one.
  struct Sentence {
    const SentenceSearch* search = nullptr;  // null: its next token is given
    std::span<const std::int32_t> source;
    std::span<const std::int32_t> prompt;  // decoder_start_token_id and a given prefix
    std::uint64_t number = 0;              // keys its random numbers, together with the seed
  };
  // Overwrites index and value [sentences, candidates] with what SentenceSearch::advance() takes;
  // an index is -1 if a hypothesis's logits are not finite.
  void find(Context& ctx, ConstView logits, std::span<const Sentence> sentences,
            std::vector<std::int32_t>& index, std::vector<float>& value);

 private:
  struct Found {
    std::span<std::int32_t> index;
    std::span<float> value;
  };
  void download_rows(Context& ctx, ConstView logits);
  void process(const Sentence& sentence, std::size_t hypothesis, std::span<float> scores);
  void choose_tokens(const Sentence& sentence, std::size_t first_row, Found found);
  void choose_continuations(const Sentence& sentence, std::size_t first_row, Found found);
  std::uint64_t random_key(const Sentence& sentence, std::size_t hypothesis) const;

  SearchOptions options_;
  std::size_t candidates_;
  std::int32_t eos_;
  std::vector<LogitsProcessor> processors_;
  // Of a step: the logits, and each row's log of the sum of their exponentials, which is not finite
  // if some logit is not.
  std::size_t vocab_ = 0;
  std::vector<float> logits_, log_sum_;
  std::vector<std::int32_t> best_;
  std::vector<float> scores_;  // of a sentence
  Ids ids_;                    // of a hypothesis
};

}  // namespace switchyard
