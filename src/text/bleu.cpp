// SPDX-License-Identifier: Apache-2.0
#include "src/text/bleu.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <unordered_map>

#include "src/core/error.h"
#include "src/text/bleu_tokenizer.h"
#include "src/text/utf8.h"

namespace switchyard {

namespace {

struct Ngrams {
  // Keys are n tokens joined by spaces; tokens contain none.
  std::array<std::unordered_map<std::u32string, std::int64_t>, kBleuOrder> counts;
  std::int64_t length = 0;
};

Ngrams count_ngrams(const std::string& line, const BleuOptions& options) {
  std::u32string text = to_code_points(line);
  if (options.lowercase) text = lower(text);
  while (!text.empty() && is_space(text.back())) text.pop_back();
  text = bleu_tokenize(options.tokenize, std::move(text));
  const auto tokens = split(text);
  Ngrams ngrams;
  ngrams.length = static_cast<std::int64_t>(tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    std::u32string ngram;
    for (std::size_t n = 0; n < kBleuOrder && i + n < tokens.size(); ++n) {
      if (n > 0) ngram += U' ';
      ngram += tokens[i + n];
      ++ngrams.counts[n][ngram];
    }
  }
  return ngrams;
}

// Returns the reference length closest to the hypothesis length; in a tie, the shorter one.
std::int64_t closest_length(std::int64_t length, const std::vector<Ngrams>& references) {
  const auto nearest =
      std::min_element(references.begin(), references.end(), [&](const Ngrams& a, const Ngrams& b) {
        return std::pair(std::abs(a.length - length), a.length) <
               std::pair(std::abs(b.length - length), b.length);
      });
  return nearest->length;
}

struct Statistics {
  std::array<double, kBleuOrder> correct{}, total{};  // counts, before add-k smoothing
  std::int64_t hyp_len = 0, ref_len = 0;
};

void add_sentence(const Ngrams& hypothesis, const std::vector<Ngrams>& references,
                  Statistics& sum) {
  sum.hyp_len += hypothesis.length;
  sum.ref_len += closest_length(hypothesis.length, references);
  for (std::size_t n = 0; n < kBleuOrder; ++n) {
    for (const auto& [ngram, count] : hypothesis.counts[n]) {
      std::int64_t allowed = 0;
      for (const Ngrams& reference : references) {
        const auto found = reference.counts[n].find(ngram);
        if (found != reference.counts[n].end()) allowed = std::max(allowed, found->second);
      }
      sum.total[n] += static_cast<double>(count);
      sum.correct[n] += static_cast<double>(std::min(count, allowed));
    }
  }
}

double smooth_value(const BleuOptions& options) {
  return options.smooth_value.value_or(options.smooth == "floor" ? 0.1 : 1.0);
}

// Smoothing: Chen and Cherry 2014, methods 1 (floor), 2 (add-k) and 3 (exp, as in mteval-v13a.pl).
BleuScore score(Statistics sum, const BleuOptions& options) {
  BleuScore result;
  result.hyp_len = sum.hyp_len;
  result.ref_len = sum.ref_len;
  if (sum.hyp_len < sum.ref_len)
    result.brevity_penalty =
        sum.hyp_len > 0
            ? std::exp(1 - static_cast<double>(sum.ref_len) / static_cast<double>(sum.hyp_len))
            : 0.0;
  if (std::all_of(sum.correct.begin(), sum.correct.end(), [](double c) { return c == 0; }))
    return result;
  double halvings = 1;
  int order = kBleuOrder;
  for (int n = 0; n < kBleuOrder; ++n) {
    double& correct = sum.correct[static_cast<std::size_t>(n)];
    double& total = sum.total[static_cast<std::size_t>(n)];
    double& precision = result.precisions[static_cast<std::size_t>(n)];
    if (options.smooth == "add-k" && n > 0) {
      correct += smooth_value(options);
      total += smooth_value(options);
    }
    if (total == 0) break;
    if (options.effective_order) order = n + 1;
    if (correct > 0) {
      precision = 100. * correct / total;
    } else if (options.smooth == "exp") {
      halvings *= 2;
      precision = 100. / (halvings * total);
    } else if (options.smooth == "floor") {
      precision = 100. * smooth_value(options) / total;
    }
  }
  double sum_of_logs = 0;
  for (int n = 0; n < order; ++n) {
    const double precision = result.precisions[static_cast<std::size_t>(n)];
    sum_of_logs += precision > 0 ? std::log(precision) : -9999999999.;  // sacreBLEU's log of 0
  }
  result.score = result.brevity_penalty * std::exp(sum_of_logs / order);
  return result;
}

}  // namespace

BleuScore corpus_bleu(const std::vector<std::string>& hypotheses, const References& references,
                      const BleuOptions& options) {
  check_line_counts(hypotheses, references);
  check(options.smooth == "exp" || options.smooth == "floor" || options.smooth == "add-k" ||
            options.smooth == "none",
        ErrorKind::kUsage, "smoothing '", escaped(options.smooth),
        "', expected one of: exp, floor, add-k, none");
  Statistics sum;
  std::vector<Ngrams> of_references(references.size());
  for (std::size_t i = 0; i < hypotheses.size(); ++i) {
    for (std::size_t r = 0; r < references.size(); ++r)
      of_references[r] = count_ngrams(references[r][i], options);
    add_sentence(count_ngrams(hypotheses[i], options), of_references, sum);
  }
  return score(sum, options);
}

std::string BleuScore::details() const {
  const double ratio =
      ref_len > 0 ? static_cast<double>(hyp_len) / static_cast<double>(ref_len) : 0.0;
  char text[256];
  std::snprintf(text, sizeof(text),
                "%.1f/%.1f/%.1f/%.1f (BP = %.3f ratio = %.3f hyp_len = %lld ref_len = %lld)",
                precisions[0], precisions[1], precisions[2], precisions[3], brevity_penalty, ratio,
                static_cast<long long>(hyp_len), static_cast<long long>(ref_len));
  return text;
}

std::string bleu_signature(const BleuOptions& options, std::size_t num_references) {
  std::string smooth = options.smooth;
  if (smooth == "floor" || smooth == "add-k") {
    char value[64];
    std::snprintf(value, sizeof(value), "[%.2f]", smooth_value(options));
    smooth += value;
  }
  return signature(num_references, std::string("case:") + (options.lowercase ? "lc" : "mixed") +
                                       "|eff:" + (options.effective_order ? "yes" : "no") +
                                       "|tok:" + options.tokenize + "|smooth:" + smooth);
}

}  // namespace switchyard
