// SPDX-License-Identifier: Apache-2.0
#include "src/text/chrf.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <unordered_map>

#include "src/core/error.h"
#include "src/text/utf8.h"

namespace switchyard {

namespace {

using Counts = std::unordered_map<std::u32string, std::int64_t>;

// Python's string.punctuation.
bool is_ascii_punctuation(char32_t c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
         (c >= '{' && c <= '~');
}

// Splits one punctuation mark off the end of each word or, failing that, off its start: "(hi)"
// gives "(hi" and ")", as in the reference implementation of chrF++.
std::vector<std::u32string_view> chrf_words(std::u32string_view text) {
  std::vector<std::u32string_view> words;
  for (const auto word : split(text)) {
    const std::size_t n = word.size();
    if (n > 1 && is_ascii_punctuation(word.back())) {
      words.push_back(word.substr(0, n - 1));
      words.push_back(word.substr(n - 1));
    } else if (n > 1 && is_ascii_punctuation(word.front())) {
      words.push_back(word.substr(0, 1));
      words.push_back(word.substr(1));
    } else {
      words.push_back(word);
    }
  }
  return words;
}

// Counts the n-grams of each order: of characters, then of words.
std::vector<Counts> count_ngrams(const std::string& line, const ChrfOptions& options) {
  const std::u32string text = to_code_points(line);
  std::u32string characters;
  for (const char32_t c : text)
    if (!is_space(c)) characters += c;
  std::vector<Counts> orders;
  for (int order = 1; order <= options.char_order; ++order) {
    const auto n = static_cast<std::size_t>(order);
    Counts& counts = orders.emplace_back();
    for (std::size_t i = 0; i + n <= characters.size(); ++i) ++counts[characters.substr(i, n)];
  }
  if (options.word_order == 0) return orders;
  const auto words = chrf_words(text);
  for (int order = 1; order <= options.word_order; ++order) {
    const auto n = static_cast<std::size_t>(order);
    Counts& counts = orders.emplace_back();
    for (std::size_t i = 0; i + n <= words.size(); ++i) {
      std::u32string ngram(words[i]);
      for (std::size_t j = 1; j < n; ++j) (ngram += U' ') += words[i + j];
      ++counts[ngram];
    }
  }
  return orders;
}

struct Matches {
  std::int64_t hypothesis = 0, reference = 0, both = 0;
};
using Statistics = std::vector<Matches>;  // by order

Statistics compare(const std::vector<Counts>& hypothesis, const std::vector<Counts>& reference) {
  Statistics statistics(hypothesis.size());
  for (std::size_t n = 0; n < hypothesis.size(); ++n) {
    Matches& m = statistics[n];
    for (const auto& [ngram, count] : hypothesis[n]) {
      m.hypothesis += count;
      const auto found = reference[n].find(ngram);
      if (found != reference[n].end()) m.both += std::min(count, found->second);
    }
    for (const auto& [ngram, count] : reference[n]) m.reference += count;
    if (reference[n].empty()) m.hypothesis = 0;  // orders that the reference lacks do not count
  }
  return statistics;
}

double f_score(const Statistics& statistics, int beta) {
  double precision = 0, recall = 0;
  int orders = 0;
  for (const Matches& m : statistics) {
    if (m.hypothesis == 0 || m.reference == 0) continue;
    precision += static_cast<double>(m.both) / static_cast<double>(m.hypothesis);
    recall += static_cast<double>(m.both) / static_cast<double>(m.reference);
    ++orders;
  }
  if (orders == 0 || precision + recall == 0) return 0;
  precision /= orders;
  recall /= orders;
  const double factor = static_cast<double>(beta) * beta;
  return 100 * ((1 + factor) * precision * recall / (factor * precision + recall));
}

}  // namespace

double corpus_chrf(const std::vector<std::string>& hypotheses, const References& references,
                   const ChrfOptions& options) {
  check_line_counts(hypotheses, references);
  Statistics sum(static_cast<std::size_t>(options.char_order + options.word_order));
  for (std::size_t i = 0; i < hypotheses.size(); ++i) {
    const auto hypothesis = count_ngrams(hypotheses[i], options);
    Statistics best;
    double best_score = -1;
    for (const auto& reference : references) {
      Statistics statistics = compare(hypothesis, count_ngrams(reference[i], options));
      const double score = f_score(statistics, options.beta);
      if (score > best_score) {
        best_score = score;
        best = std::move(statistics);
      }
    }
    for (std::size_t n = 0; n < sum.size(); ++n) {
      sum[n].hypothesis += best[n].hypothesis;
      sum[n].reference += best[n].reference;
      sum[n].both += best[n].both;
    }
  }
  return f_score(sum, options.beta);
}

std::string chrf_name(const ChrfOptions& options) {
  return "chrF" + std::to_string(options.beta) +
         std::string(static_cast<std::size_t>(options.word_order), '+');
}

std::string chrf_signature(const ChrfOptions& options, std::size_t num_references) {
  return signature(num_references, "case:mixed|eff:yes|nc:" + std::to_string(options.char_order) +
                                       "|nw:" + std::to_string(options.word_order) + "|space:no");
}

}  // namespace switchyard
