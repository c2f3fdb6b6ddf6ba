// SPDX-License-Identifier: Apache-2.0
#include "src/app/reference_scorer.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <numeric>
#include <utility>

#include "src/app/length_batches.h"
#include "src/app/vocabulary_warnings.h"
#include "src/core/counted.h"
#include "src/core/error.h"
#include "src/nn/target_log_probs.h"
#include "src/text/vocabulary_fit.h"

namespace switchyard {

namespace {

// Source and target tokens of a batch.
constexpr std::int64_t kBatchTokens = 4096;
// Lines that are sorted by length, and whose results appear together.
constexpr std::size_t kWindowLines = 1024;

}  // namespace

double ScoredReference::log_prob() const {
  return std::accumulate(log_probs.begin(), log_probs.end(), 0.0);
}

ReferenceScorer::ReferenceScorer(const TextModel& model, const ReferenceScorerOptions& options)
    : model_(model), options_(options), team_(options.threads) {
  for (int i = 0; i < options.threads; ++i)
    contexts_.push_back(make_context({1, true, model.compute_type}));
}

void ReferenceScorer::score(const std::vector<std::string>& sources,
                            const std::vector<std::string>& references, const Found& found) {
  assert(sources.size() == references.size());
  const std::vector<Ids> source_ids = encode(sources, options_.source_prefix, options_.source);
  std::vector<Ids> reference_ids = encode(references, "", options_.reference);
  for (std::size_t first = 0; first < references.size(); first += kWindowLines) {
    std::vector<ScoredReference> results(std::min(kWindowLines, references.size() - first));
    for (std::size_t i = 0; i < results.size(); ++i)
      results[i].ids = std::move(reference_ids[first + i]);
    try {
      score_window(source_ids, first, results);
    } catch (const Error&) {
      model_.model().check_unchanged();  // explains logits that are not finite
      throw;
    }
    model_.model().check_unchanged();
    for (std::size_t i = 0; i < results.size(); ++i) found(first + i, results[i]);
  }
}

std::vector<Ids> ReferenceScorer::encode(const std::vector<std::string>& lines,
                                         const std::string& prefix, const std::string& name) const {
  UnknownTokens unknown;
  std::vector<Ids> result;
  result.reserve(lines.size());
  for (const std::string& line : lines) {
    Ids ids = model_.tokenizer.encode(prefix + line);
    check(std::ssize(ids) <= kMaxTokens, ErrorKind::kData, name, ":", result.size() + 1, ": ",
          with_commas(std::ssize(ids)), " tokens, expected at most ", with_commas(kMaxTokens));
    unknown.add(model_.tokenizer, ids, line);
    result.push_back(std::move(ids));
  }
  warn_of_unknown_tokens(name, unknown);
  return result;
}

// `results` have ids, and receive their log-probabilities.
void ReferenceScorer::score_window(const std::vector<Ids>& sources, std::size_t first,
                                   std::vector<ScoredReference>& results) {
  std::vector<std::int64_t> tokens;
  for (std::size_t i = 0; i < results.size(); ++i)
    tokens.push_back(std::ssize(sources[first + i]) + std::ssize(results[i].ids));
  const std::vector<std::vector<std::size_t>> batches = length_batches(tokens, kBatchTokens);
  std::atomic<std::size_t> next = 0;
  team_.run(team_.threads(), [&](int worker) {
    Context& ctx = *contexts_[static_cast<std::size_t>(worker)];
    for (std::size_t b = next++; b < batches.size(); b = next++) {
      HostBatch batch;
      for (const std::size_t i : batches[b]) {
        batch.source.push_back(sources[first + i]);
        batch.target.push_back(results[i].ids);
        batch.sentence.push_back(static_cast<std::uint32_t>(i));
      }
      std::vector<std::vector<float>> found =
          target_log_probs(ctx, model_.model(), batch, options_.capacity);
      for (std::size_t k = 0; k < found.size(); ++k)
        results[batches[b][k]].log_probs = std::move(found[k]);
    }
  });
}

}  // namespace switchyard
