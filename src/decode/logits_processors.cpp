// SPDX-License-Identifier: Apache-2.0
#include "src/decode/logits_processors.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace switchyard {

namespace {

constexpr float kExcluded = -std::numeric_limits<float>::infinity();

float& at(std::span<float> scores, std::int32_t id) { return scores[static_cast<std::size_t>(id)]; }

void exclude(std::span<float> scores, const Ids& ids) {
  for (const std::int32_t id : ids) at(scores, id) = kExcluded;
}

// Leaves only `ids`, all equally likely.
void force(std::span<float> scores, const Ids& ids) {
  std::fill(scores.begin(), scores.end(), kExcluded);
  for (const std::int32_t id : ids) at(scores, id) = 0;
}

// Divides positive scores and multiplies others by the penalty (Keskar et al., arXiv 1909.05858),
// once for each distinct id.
void penalize(std::span<float> scores, std::span<const std::int32_t> ids, float penalty) {
  Ids distinct(ids.begin(), ids.end());
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  for (const std::int32_t id : distinct) {
    float& score = at(scores, id);
    score = score < 0 ? score * penalty : score / penalty;
  }
}

// Excludes every token that would complete an n-gram of `text` at the end of `ids`.
void exclude_ngrams(std::span<float> scores, std::span<const std::int32_t> text,
                    std::span<const std::int32_t> ids, std::size_t n) {
  if (ids.size() + 1 < n) return;
  const auto begin = ids.last(n - 1);
  for (std::size_t i = 0; i + n <= text.size(); ++i)
    if (std::equal(begin.begin(), begin.end(), text.begin() + static_cast<std::ptrdiff_t>(i)))
      at(scores, text[i + n - 1]) = kExcluded;
}

// Excludes the last token of `word` if `ids` end with the others.
void exclude_bad_word(std::span<float> scores, std::span<const std::int32_t> ids, const Ids& word) {
  const std::size_t before = word.size() - 1;
  if (before > ids.size()) return;
  const auto end = ids.last(before);
  if (std::equal(end.begin(), end.end(), word.begin())) at(scores, word.back()) = kExcluded;
}

// Keeps the k best scores and those equal to the last of them.
void keep_top_k(std::span<float> scores, std::size_t k) {
  if (k >= scores.size()) return;
  std::vector<float> sorted(scores.begin(), scores.end());
  const auto last = sorted.begin() + static_cast<std::ptrdiff_t>(k - 1);
  std::nth_element(sorted.begin(), last, sorted.end(), std::greater<>());
  for (float& score : scores)
    if (score < *last) score = kExcluded;
}

// Keeps the best tokens up to the first at which their probabilities sum to p (Holtzman et al.,
// arXiv 1904.09751), and at least `least`. Sorts only as many as are needed.
void keep_top_p(std::span<float> scores, double p, std::size_t least) {
  const double best = double{*std::max_element(scores.begin(), scores.end())};
  std::vector<std::int32_t> order;
  double total = 0;
  for (std::size_t v = 0; v < scores.size(); ++v) {
    if (scores[v] == kExcluded) continue;
    order.push_back(static_cast<std::int32_t>(v));
    total += std::exp(double{scores[v]} - best);
  }
  const auto better = [&](std::int32_t a, std::int32_t b) {
    return at(scores, a) != at(scores, b) ? at(scores, a) > at(scores, b) : a < b;
  };
  constexpr std::size_t kFirst = 64;
  std::size_t sorted = 0, kept = 0;
  double sum = 0;
  while (kept < order.size() && (kept < least || sum < p * total)) {
    if (kept == sorted) {
      sorted = std::min(order.size(), std::max(kFirst, 4 * sorted));
      std::partial_sort(order.begin() + static_cast<std::ptrdiff_t>(kept),
                        order.begin() + static_cast<std::ptrdiff_t>(sorted), order.end(), better);
    }
    sum += std::exp(double{at(scores, order[kept++])} - best);
  }
  for (std::size_t i = kept; i < order.size(); ++i) at(scores, order[i]) = kExcluded;
}

}  // namespace

std::vector<LogitsProcessor> logits_processors(const SearchOptions& options, const Ids& eos_ids) {
  const LogitsOptions& o = options.logits;
  const auto max_length = static_cast<std::size_t>(options.max_new_tokens) + 1;
  std::vector<LogitsProcessor> list;
  if (o.encoder_repetition_penalty != 1)
    list.push_back([penalty = 1 / o.encoder_repetition_penalty](auto& text, auto scores) {
      penalize(scores, text.source, penalty);
    });
  if (o.repetition_penalty != 1)
    list.push_back([penalty = o.repetition_penalty](auto& text, auto scores) {
      penalize(scores, text.ids, penalty);
    });
  if (o.no_repeat_ngram_size > 0)
    list.push_back([n = static_cast<std::size_t>(o.no_repeat_ngram_size)](auto& text, auto scores) {
      exclude_ngrams(scores, text.ids, text.ids, n);
    });
  if (o.encoder_no_repeat_ngram_size > 0)
    list.push_back(
        [n = static_cast<std::size_t>(o.encoder_no_repeat_ngram_size)](auto& text, auto scores) {
          exclude_ngrams(scores, text.source, text.ids, n);
        });
  for (const Ids& word : o.bad_words_ids) {
    // eos is not a bad word, as in transformers.
    if (word.size() == 1 && std::count(eos_ids.begin(), eos_ids.end(), word[0]) > 0) continue;
    list.push_back([word](auto& text, auto scores) { exclude_bad_word(scores, text.ids, word); });
  }
  if (o.min_length > 0)
    list.push_back([eos_ids, n = static_cast<std::size_t>(o.min_length)](auto& text, auto scores) {
      if (text.ids.size() < n) exclude(scores, eos_ids);
    });
  if (o.min_new_tokens > 0)
    list.push_back(
        [eos_ids, n = static_cast<std::size_t>(o.min_new_tokens)](auto& text, auto scores) {
          if (text.ids.size() - text.prompt_length < n) exclude(scores, eos_ids);
        });
  if (o.forced_bos_token_id)
    list.push_back([bos = Ids{*o.forced_bos_token_id}](auto& text, auto scores) {
      if (text.ids.size() == 1) force(scores, bos);
    });
  if (!o.forced_eos_token_id.empty())
    list.push_back([eos = o.forced_eos_token_id, max_length](auto& text, auto scores) {
      if (text.ids.size() == max_length - 1) force(scores, eos);
    });
  if (!o.suppress_tokens.empty())
    list.push_back([ids = o.suppress_tokens](auto&, auto scores) { exclude(scores, ids); });
  if (!o.begin_suppress_tokens.empty())
    list.push_back([ids = o.begin_suppress_tokens, forced = o.forced_bos_token_id.has_value()](
                       auto& text, auto scores) {
      // A forced first token is exempt; the next one is then the first.
      const std::size_t first = text.prompt_length + (forced && text.prompt_length == 1 ? 1 : 0);
      if (text.ids.size() == first) exclude(scores, ids);
    });
  const SamplingOptions& s = options.sampling;
  // --no-unk, where some other option needs the scores on the host.
  if (options.suppressed_id != kNoId && (!list.empty() || s.do_sample))
    list.push_back(
        [id = options.suppressed_id](auto&, auto scores) { at(scores, id) = kExcluded; });
  if (!s.do_sample) return list;
  if (s.temperature != 1)
    list.push_back([t = s.temperature](auto&, auto scores) {
      for (float& score : scores) score /= t;
    });
  // Beam search needs candidates enough that some of them do not end.
  const std::size_t least = options.num_beams > 1 ? eos_ids.size() + 1 : 1;
  if (s.top_k > 0)
    list.push_back([k = std::max(static_cast<std::size_t>(s.top_k), least)](auto&, auto scores) {
      keep_top_k(scores, k);
    });
  if (s.top_p < 1)
    list.push_back(
        [p = double{s.top_p}, least](auto&, auto scores) { keep_top_p(scores, p, least); });
  return list;
}

}  // namespace switchyard
