// SPDX-License-Identifier: Apache-2.0
// transformers 5.24's GenerationMixin._beam_search, step by step for a whole batch: no sentence
// leaves it, and it runs until none needs another step. The reference for decode/beam.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <numeric>
#include <vector>

#include "src/decode/search_options.h"

namespace switchyard {

// The log-probabilities of the token after `prefix` (without the start token) of a sentence.
using LogProbs = std::function<std::vector<float>(std::size_t sentence, const Ids& prefix)>;

// Indices of the k largest values, best first, the lowest index where equal (torch.topk).
inline std::vector<std::size_t> top_k(const std::vector<float>& values, std::size_t k) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return values[a] > values[b]; });
  order.resize(k);
  return order;
}

inline std::vector<NBest> hf_beam_search(std::size_t batch, std::size_t vocab, const Ids& eos_ids,
                                         const LogProbs& log_probs, const SearchOptions& options) {
  const bool stops_early = options.early_stopping == EarlyStopping::kTrue;
  const auto beams = static_cast<std::size_t>(options.num_beams);
  const std::size_t keep = std::max<std::size_t>(2, 1 + eos_ids.size()) * beams;
  struct Sentence {
    std::vector<Ids> running, finished;
    std::vector<float> running_score, score;
    std::vector<bool> is_finished;
    bool heuristic_unsatisfied = true;
  };
  Sentence initial;
  initial.running.resize(beams);
  initial.finished.resize(beams);
  initial.running_score.assign(beams, -1e9f);
  initial.running_score[0] = 0;
  initial.score.assign(beams, -1e9f);
  initial.is_finished.assign(beams, false);
  std::vector<Sentence> sentences(batch, initial);

  for (std::int64_t cur_len = 0;; ++cur_len) {
    bool improvement_possible = false, all_finished = true, valid_continuation = false;
    for (std::size_t b = 0; b < batch; ++b) {
      Sentence& s = sentences[b];
      std::vector<float> accumulated;
      for (std::size_t r = 0; r < beams; ++r)
        for (const float lp : log_probs(b, s.running[r]))
          accumulated.push_back(lp + s.running_score[r]);
      // _get_top_k_continuations
      std::vector<Ids> sequence;
      std::vector<float> log_prob;
      std::vector<bool> hits;
      for (const std::size_t i : top_k(accumulated, keep)) {
        sequence.push_back(s.running[i / vocab]);
        sequence.back().push_back(static_cast<std::int32_t>(i % vocab));
        log_prob.push_back(accumulated[i]);
        hits.push_back(std::find(eos_ids.begin(), eos_ids.end(), sequence.back().back()) !=
                           eos_ids.end() ||
                       cur_len + 1 >= options.max_new_tokens);
        valid_continuation = valid_continuation || !hits.back();
      }
      // _get_running_beams_for_next_iteration
      std::vector<float> running_log_prob;
      for (std::size_t c = 0; c < keep; ++c)
        running_log_prob.push_back(log_prob[c] + (hits[c] ? -1.0e9f : 0.0f));
      const std::vector<std::size_t> next = top_k(running_log_prob, beams);
      // _update_finished_beams
      const bool full = std::all_of(s.is_finished.begin(), s.is_finished.end(),
                                    [](bool finished) { return finished; });
      std::vector<Ids> merged = s.finished;
      std::vector<float> merged_score = s.score;
      std::vector<bool> merged_is_finished = s.is_finished;
      for (std::size_t c = 0; c < keep; ++c) {
        const bool just_finished = hits[c] && c < beams;
        float score = log_prob[c] / static_cast<float>(std::pow(static_cast<double>(cur_len + 1),
                                                                options.length_penalty));
        if (full && stops_early) score += -1.0e9f;
        if (!s.heuristic_unsatisfied) score += -1.0e9f;
        if (!just_finished) score += -1.0e9f;
        merged.push_back(sequence[c]);
        merged_score.push_back(score);
        merged_is_finished.push_back(just_finished);
      }
      const std::vector<std::size_t> best = top_k(merged_score, beams);
      for (std::size_t r = 0; r < beams; ++r) {
        s.running[r] = sequence[next[r]];
        s.running_score[r] = running_log_prob[next[r]];
        s.finished[r] = merged[best[r]];
        s.score[r] = merged_score[best[r]];
        s.is_finished[r] = merged_is_finished[best[r]];
      }
      // _check_early_stop_heuristic
      const bool longest =
          options.early_stopping == EarlyStopping::kNever && options.length_penalty > 0;
      const std::int64_t best_length = longest ? options.max_new_tokens : cur_len + 1;
      const float best_possible =
          s.running_score[0] /
          static_cast<float>(std::pow(static_cast<double>(best_length), options.length_penalty));
      bool any = false;
      for (std::size_t r = 0; r < beams; ++r) {
        const float worst =
            s.is_finished[r] ? *std::min_element(s.score.begin(), s.score.end()) : -1.0e9f;
        any = any || best_possible > worst;
        all_finished = all_finished && s.is_finished[r];
      }
      s.heuristic_unsatisfied = s.heuristic_unsatisfied && any;
      improvement_possible = improvement_possible || s.heuristic_unsatisfied;
    }
    const bool exists_open_beam = !(all_finished && stops_early);
    if (!(improvement_possible && exists_open_beam && valid_continuation)) break;
  }

  std::vector<NBest> result;
  for (const Sentence& s : sentences) {
    NBest n_best;
    for (std::size_t r = 0; r < static_cast<std::size_t>(options.num_return_sequences); ++r)
      n_best.push_back({s.finished[r], s.score[r]});
    result.push_back(n_best);
  }
  return result;
}

}  // namespace switchyard
